"""GPUs as people write them in a line: `2 x H100`, `nvidia/gpu`, `A100 >= 40GiB`.

>>> parse_gpu_text("2 x H100 >= 80GB", "gpu")
Gpu(count=2, model='H100', memory_bytes=80000000000, device='')
"""

from __future__ import annotations

import re

from .errors import Invalid
from .quantity import parse_bytes
from .spec import Gpu

MAX_GPUS = 1024
_FORMS = "write 2, H100, 2 x H100, nvidia/gpu, or any of these with >= 40GiB"
_COUNT = re.compile(r"([0-9]{1,9})\s*[xX*]\s*(.*)", re.DOTALL)
_ANY = re.compile(r"(any )?gpus?", re.IGNORECASE)
_SIZE = re.compile(r"(^|\s)\d+(\.\d+)?\s*[kKMGT]i?B?$")
_DEVICE = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*(/[^\x00-\x1f]+)?)?")


def parse_gpu_text(text: str, field: str) -> Gpu:
    """Return the GPUs of `[count x] [name] [>= memory]`; raise Invalid for what could mean two things.

    A name with a slash is a device (`nvidia/gpu/A100`), `gpu` is any, and anything else is the model.
    """
    what, separator, memory = text.strip().partition(">=")
    memory_bytes = _read_memory(memory.strip(), field) if separator else 0
    count, name = _split_count(what.strip(), field)
    if not (count or name or separator):
        raise Invalid(f"{field} is empty; {_FORMS}", field)
    number = int(count) if count else 1
    if number > MAX_GPUS:
        raise Invalid(f"{field}: {text!r} asks for more than {MAX_GPUS} GPUs; for a model write 1 x {count}", field)
    if "/" in name:
        return Gpu(number, "", memory_bytes, check_device(name, field))
    return Gpu(number, "" if _ANY.fullmatch(name) else _check_model(name, field), memory_bytes)


def check_device(value: object, field: str) -> str:
    """Return `value` if it can name devices: type, vendor/type or vendor/type/model."""
    if isinstance(value, str) and _DEVICE.fullmatch(value) and len(value) <= 200:
        return value
    raise Invalid(f"{field}: {value!r} is not a device; write gpu, nvidia/gpu or nvidia/gpu/<model>", field)


def _split_count(text: str, field: str) -> tuple[str, str]:
    if re.fullmatch(r"[0-9]{1,9}", text):
        return text, ""
    if match := _COUNT.fullmatch(text):
        if not match[2]:
            raise Invalid(f"{field}: {text!r} names no GPU after the count; {_FORMS}", field)
        return match[1], match[2].strip()
    return "", text


def _check_model(name: str, field: str) -> str:
    if re.match(r"\d+\s", name):
        count, rest = name.split(maxsplit=1)
        raise Invalid(f"{field}: {name!r} could be a count or a name; write {count} x {rest}", field)
    if match := _SIZE.search(name):
        least = match[0].strip()
        text = f"{field}: {name!r} leaves open whether {least} is memory; write >= {least}, or {{model: {name!r}}}"
        raise Invalid(text, field)
    return name


def _read_memory(text: str, field: str) -> int:
    if not re.search(r"[kKMGT]", text):
        raise Invalid(f"{field}: {text!r} after >= is not a size with its unit; write >= 40GiB", field)
    return parse_bytes(text, field)
