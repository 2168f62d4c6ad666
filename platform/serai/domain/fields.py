"""Take typed values out of a mapping that a person wrote, naming what is wrong and the nearest known key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from .errors import Invalid

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
D = TypeVar("D")


class Fields:
    """A mapping with a path. Every method raises Invalid naming the dotted path of the value it refuses."""

    def __init__(self, value: object, path: str, known: Iterable[str]) -> None:
        self._path = path
        if not isinstance(value, Mapping):
            raise Invalid(f"{path or 'the manifest'} has to be a mapping of keys to values, not {value!r}", path)
        self._values = value
        check_known(value, path, tuple(known))

    def path(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def get(self, key: str, read: Callable[[object, str], T], default: D) -> T | D:
        """Return `read(value, path)`, or `default` where the key is missing or null."""
        return read(self._values[key], self.path(key)) if self.has(key) else default


def check_known(value: Mapping[str, object] | Mapping[object, object], path: str, known: tuple[str, ...]) -> None:
    """Raise Invalid for the first key that is not in `known`."""
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            field = f"{path}.{key}" if path else str(key)
            raise Invalid(f"unknown key {field!r}; {hint}", field, code="unknown-key")


def read_text(value: object, field: str) -> str:
    """Return a string without NUL of at most 64 KiB."""
    if not isinstance(value, str) or "\0" in value or len(value) > 65536:
        raise Invalid(f"{field}: {value!r} has to be text", field)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"{field}: {value!r} is not valid Unicode text", field) from error
    return value


def read_scalar_text(value: object, field: str) -> str:
    """Return text; numbers and booleans are taken as written, as YAML turns `1` and `true` into them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return read_text(value, field)


def read_bool(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{field}: {value!r} has to be true or false", field)
    return value


def read_int(low: int, high: int) -> Callable[[object, str], int]:
    """Return a reader of whole numbers from low to high, both included; 2.0 is one, as JSON knows no difference."""

    def read(value: object, field: str) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Invalid(f"{field}: {value!r} has to be a whole number from {low} to {high}", field)
        return value

    return read


def read_enum(kind: type[E]) -> Callable[[object, str], E]:
    def read(value: object, field: str) -> E:
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        raise Invalid(f"{field}: {value!r} has to be one of {', '.join(kind)}", field)

    return read


def read_texts(value: object, field: str) -> tuple[str, ...]:
    """Return a list of texts, at most 1,000."""
    if not isinstance(value, list | tuple) or len(value) > 1000:
        raise Invalid(f"{field}: {value!r} has to be a list of texts", field)
    return tuple(read_text(item, f"{field}[{index}]") for index, item in enumerate(value))
