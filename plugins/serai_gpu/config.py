"""The plugin's options: what Nomad may put into `plugin "serai-gpu" { config { ... } }`, and what they mean.

One table makes both the schema that Nomad checks HCL against and the defaults.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgpack

from serai.domain.errors import Invalid
from serai.domain.fields import Fields, read_enum, read_int, read_text, read_texts
from serai.domain.quantity import parse_bytes, parse_duration

from . import NAME, messages

MOST_SHARES, MOST_GPUS = 64, 256


class Mode(StrEnum):
    NVML = "nvml"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Model:
    """A model to simulate: its name as jobs ask for it, how many of it, and the memory of each."""

    name: str
    count: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class GpuConfig:
    """The options. `control` is a folder or None; `node` makes the ids of simulated GPUs differ between machines."""

    mode: Mode = Mode.NVML
    models: tuple[Model, ...] = ()
    share: int = 1
    control: Path | None = None
    node: str = ""
    period_s: float = 1.0


# option -> (type in HCL, default as an HCL expression)
OPTIONS = {
    "mode": ("string", '"nvml"'),
    "models": ("list(string)", "[]"),
    "share": ("number", "1"),
    "control": ("string", '""'),
    "node": ("string", '""'),
    "period": ("string", '"1s"'),
}

# Memory in GiB of models that a name alone says; "A100-40GB" says it itself.
_KNOWN_GB = {
    "T4": 16,
    "L4": 24,
    "A10": 24,
    "A10G": 24,
    "L40": 48,
    "L40S": 48,
    "V100": 16,
    "A100": 40,
    "H100": 80,
    "H200": 141,
}
_MODEL = re.compile(r"(?P<name>[^:,/]+?)\s*(?::\s*(?P<count>\d{1,4})\s*)?(?::\s*(?P<memory>[\d.]+\s*\w+)\s*)?")
_SIZE_IN_NAME = re.compile(r"(\d{1,4})\s?GB?\b", re.IGNORECASE)


def make_schema() -> Any:
    """Return the `Spec` that Nomad checks the configuration against, and takes defaults from."""
    spec = messages.Spec()
    for name, (kind, default) in OPTIONS.items():
        choice = spec.object.attributes[name].default
        choice.primary.attr.name = name
        choice.primary.attr.type = kind
        choice.default.literal.value = default
    return spec


def read_config(data: bytes) -> GpuConfig:
    """Return the options in the msgpack that Nomad sends. Raise Invalid naming what is wrong."""
    try:
        values = msgpack.unpackb(data) if data else {}
    except ValueError as error:
        raise Invalid(f"the configuration of {NAME} is not msgpack: {error}", NAME) from error
    return make_config(values)


def make_config(values: Mapping[str, object]) -> GpuConfig:
    """Return the options of a mapping. Raise Invalid naming what is wrong."""
    fields = Fields(values, NAME, OPTIONS)
    config = GpuConfig(
        mode=fields.get("mode", read_enum(Mode), Mode.NVML),
        models=fields.get("models", _read_models, ()),
        share=fields.get("share", read_int(1, MOST_SHARES), 1),
        control=fields.get("control", _read_folder, None),
        node=fields.get("node", _read_node, "") or platform.node(),
        period_s=fields.get("period", _read_period, 1.0),
    )
    if config.mode is Mode.NVML and config.models:
        raise Invalid(
            f'{NAME}.models is for mode = "simulated"; with "nvml" the machine\'s own GPUs are taken', "models"
        )
    return config


def parse_models(text: str, field: str = "models") -> tuple[Model, ...]:
    """Return the models of `A100-40GB:2,T4:1` (name, count, and memory where the name does not say it).

    >>> parse_models("A100-40GB:2, Mine:1:8GiB")[1]
    Model(name='Mine', count=1, memory_mb=8192)
    """
    return tuple(_parse_model(part, field) for part in text.split(",") if part.strip())


def _parse_model(text: str, field: str) -> Model:
    match = _MODEL.fullmatch(text.strip())
    if not match:
        raise Invalid(f"{field}: {text.strip()!r} is no model; write NAME:COUNT or NAME:COUNT:MEMORY", field)
    count = read_int(1, MOST_GPUS)(int(match["count"] or 1), field)
    memory = match["memory"]
    return Model(
        match["name"], count, parse_bytes(memory, field) // 2**20 if memory else _guess_mb(match["name"], field)
    )


def _guess_mb(name: str, field: str) -> int:
    if size := _SIZE_IN_NAME.search(name):
        return int(size[1]) * 1024
    last = name.rsplit(maxsplit=1)[-1]
    if last not in _KNOWN_GB:
        raise Invalid(f"{field}: the memory of {name!r} is not known; write {name}:1:16GiB", field)
    return _KNOWN_GB[last] * 1024


def _read_models(value: object, field: str) -> tuple[Model, ...]:
    models = tuple(model for text in read_texts(value, field) for model in parse_models(text, field))
    names = [model.name for model in models]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Invalid(f"{field}: {twice!r} is given twice; give its count instead", field)
    return models


def _read_node(value: object, field: str) -> str:
    text = read_text(value, field)
    if not re.fullmatch(r"[\w.-]*", text):
        raise Invalid(f"{field}: {text!r} cannot be part of an id; write letters, digits, . _ and -", field)
    return text


def _read_folder(value: object, field: str) -> Path | None:
    text = read_text(value, field)
    if text and not Path(text).is_absolute():
        raise Invalid(f"{field}: {text!r} has to be an absolute path, as the agent's folder is not yours", field)
    return Path(text) if text else None


def _read_period(value: object, field: str) -> float:
    period_s = parse_duration(value, field)
    if period_s < 0.1:
        raise Invalid(f"{field}: {value!r} is too short; look at GPUs at most ten times a second", field)
    return period_s
