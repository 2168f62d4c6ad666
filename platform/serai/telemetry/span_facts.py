"""What attributes of spans mean: numbers for those that name a series, values for those that differ by span."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from serai.domain import attributes as names
from serai.domain.digest import LIMIT_S

OLD_STATUS_CODE = "http.status_code"
"""What the semantic conventions called STATUS_CODE before version 1.21; proxies still send it."""
NO_ANSWER = 499
"""The status of a request that was not answered, as of one whose caller left."""
MOST_BYTES = 2**50
_MOST_LETTERS = 200
_MOST_VERSION = 2**31 - 1
LIMIT_US = int(LIMIT_S * 1e6)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a span's attributes, and its resource's, say of its series. `wrong` is a sentence where they cannot be."""

    deployment: str = ""
    version: int = 0
    replica: str = ""
    gateway: str = ""
    status: int = NO_ANSWER
    wrong: str = ""


class FactTable:
    """Numbers the facts of one batch, so that spans with the same numbers are of the same series.

    Attributes whose values differ from span to span do not get numbers: they are kept here until the next span, whose
    reader sets them back (`clear`). All times are in whole microseconds.
    """

    __slots__ = ("_numbers", "_values", "bytes_in", "bytes_out", "first_us", "queue_us")

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, object], int] = {}
        self._values: list[tuple[str, object]] = []
        self.clear()

    def clear(self) -> None:
        """Forget what the last span said for itself."""
        self.first_us: int | None = None
        self.queue_us: int | None = None
        self.bytes_in = 0
        self.bytes_out = 0

    def note(self, name: str, value: object) -> int:
        """Return the number of an attribute's fact; 0 for one that names no series. None is a value of another kind."""
        if name in VARYING:
            return self._note_varying(name, value)
        read = _CONSTANT.get(name)
        if read is None:
            return 0
        field, reader = read
        fact = reader(value)
        if fact is None:
            return self._number("wrong", f"{name} cannot be {str(value)[:_MOST_LETTERS]!r}")
        return self._number(field, fact)

    def resolve(self, numbers: Iterable[int]) -> Facts:
        """Return the facts of numbers; the last one of a kind counts."""
        said: dict[str, Any] = dict(self._values[number - 1] for number in numbers)
        return Facts(**said)

    def _number(self, field: str, fact: object) -> int:
        number = self._numbers.get((field, fact))
        if number is None:
            self._values.append((field, fact))
            number = self._numbers[field, fact] = len(self._values)
        return number

    def _note_varying(self, name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._number("wrong", f"{name} cannot be {str(value)[:_MOST_LETTERS]!r}")
        match name:
            case names.CLOCK_FIRST_BYTE:
                self.first_us = to_us(value)
            case names.CLOCK_QUEUE:
                self.queue_us = to_us(value)
            case names.REQUEST_BYTES:
                self.bytes_in = _to_bytes(value)
            case names.RESPONSE_BYTES:
                self.bytes_out = _to_bytes(value)
        return 0


def to_us(seconds: float) -> int:
    """Return whole microseconds. What a broken clock gives is bounded: less than nothing or NaN is 0."""
    if 0.0 <= seconds <= LIMIT_S:
        return int(seconds * 1e6 + 0.5)
    return LIMIT_US if seconds > LIMIT_S else 0


def _to_bytes(size: float) -> int:
    return int(size) if 0 <= size <= MOST_BYTES else 0


def _read_text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _MOST_LETTERS and value.isprintable() else None


def _read_whole(most: int) -> Callable[[object], int | None]:
    """Return a reader of whole numbers, which environment variables hold as text."""

    def read(value: object) -> int | None:
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 11:
            value = int(value)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole and 0 <= value <= most else None  # type: ignore[operator, return-value]

    return read


VARYING = frozenset({names.CLOCK_FIRST_BYTE, names.CLOCK_QUEUE, names.REQUEST_BYTES, names.RESPONSE_BYTES})
_CONSTANT: dict[str, tuple[str, Callable[[object], object]]] = {
    names.DEPLOYMENT: ("deployment", _read_text),
    names.VERSION: ("version", _read_whole(_MOST_VERSION)),
    names.REPLICA: ("replica", _read_text),
    names.GATEWAY: ("gateway", _read_text),
    names.STATUS_CODE: ("status", _read_whole(599)),
    OLD_STATUS_CODE: ("status", _read_whole(599)),
}
RELEVANT = VARYING | _CONSTANT.keys()
"""Names of the attributes that mean something to the intake."""
