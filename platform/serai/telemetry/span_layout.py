"""How a span is written: its fields in order, but for what they say and how long it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import groupby

from serai.domain import attributes as names

from .span_facts import RELEVANT, VARYING
from .span_fields import BYTES, FIXED64, NUMBER, Field, split_fields
from .span_wire import DOUBLE, INT


class Column(StrEnum):
    """What the intake looks at: both ids, begin and end, attributes that name a series, those that hold numbers."""

    IDS = "ids"
    TIMES = "times"
    FACTS = "facts"
    CLOCKS = "clocks"
    SIZES = "sizes"


_COLUMNS = {1: Column.IDS, 2: Column.IDS, 7: Column.TIMES, 8: Column.TIMES}  # by the number of the field
_VARYING = {
    names.CLOCK_FIRST_BYTE: Column.CLOCKS,
    names.CLOCK_QUEUE: Column.CLOCKS,
    names.REQUEST_BYTES: Column.SIZES,
    names.RESPONSE_BYTES: Column.SIZES,
}
_KIND, _ATTRIBUTE = 6, 9
_ONCE = [1, 2, _KIND, 7, 8]  # what is in every span, in the order in which libraries write it
_WIRES = {1: BYTES, 2: BYTES, _KIND: NUMBER, 7: FIXED64, 8: FIXED64, _ATTRIBUTE: BYTES}
_ID_BYTES = {1: 16, 2: 8}
_NAMES = {name.encode(): name for name in RELEVANT}
_NAME_BYTES = set(map(len, _NAMES))


@dataclass(frozen=True, slots=True)
class Part:
    """A field of spans that are written alike. `column` is where it belongs, None where the intake does not look at it;
    `name` is that of an attribute that holds a number.

    `begin` is the pattern of its tag, and of its content where that has always the same length; `key` is the pattern
    of an attribute's key, which takes `key_bytes`; only of its length where a fact's key is looked up with its value.
    """

    column: Column | None
    begin: bytes
    is_sized: bool = True
    key: bytes = b""
    key_bytes: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """What spans that are written alike have in common."""

    kind: int
    parts: tuple[Part, ...]


def read_layout(raw: bytes) -> tuple[Layout, Sequence[int]] | None:
    """Return a span's layout and the length of each part's value.

    None for a span that lacks what each has, says twice what is said once, or is in a form that no library writes.
    """
    fields = split_fields(raw)
    if fields is None or [field.number for field in fields if field.number in _ONCE] != _ONCE:
        return None
    if any(field.wire != _WIRES.get(field.number, field.wire) for field in fields):
        return None
    read = [_read_attribute(field) if field.number == _ATTRIBUTE else _read_field(field) for field in fields]
    found = [each for each in read if each is not None]
    parts = tuple(part for part, _ in found)
    kind = next(field.content for field in fields if field.number == _KIND)
    if len(parts) < len(fields) or len(kind) > 1 or not _is_plain(parts):
        return None
    return Layout(kind[0], parts), [size for _, size in found]


def skip(size: int) -> bytes:
    """Return the pattern of so many bytes, whatever they are."""
    return b".{%d}+" % size if size else b""


def _is_plain(parts: Sequence[Part]) -> bool:
    """Return whether ids and times are each in one piece, and no number is there twice."""
    runs = [column for column, _ in groupby(part.column for part in parts) if column in {Column.IDS, Column.TIMES}]
    numbers = [part.name for part in parts if part.name]
    return len(runs) == 2 and len(set(numbers)) == len(numbers)


def _read_field(field: Field) -> tuple[Part, int] | None:
    tag, size, column = re.escape(field.tag), len(field.content), _COLUMNS.get(field.number)
    if size != _ID_BYTES.get(field.number, size):
        return None
    if field.number == _KIND:
        return Part(None, tag + re.escape(field.content), is_sized=False), size
    if field.wire == NUMBER:
        return Part(None, tag + rb"[\x80-\xff]{0,8}+[\x00-\x7f]", is_sized=False), size
    if field.wire == BYTES and not column:
        return Part(None, tag), size
    length = re.escape(bytes([size])) if field.wire == BYTES else b""
    return Part(column, tag + length + skip(size), is_sized=False), size


@lru_cache(256)
def _read_attribute(field: Field) -> tuple[Part, int] | None:
    """Return the part of an attribute that is a key and a value, and nothing else."""
    pair = split_fields(field.content)
    if pair is None or [(each.number, each.wire) for each in pair] != [(1, BYTES), (2, BYTES)]:
        return None
    key, value = pair[0].content, pair[1].content
    name = _NAMES.get(key, "")
    column = _VARYING.get(name, Column.FACTS if name else None)
    if len(key) > 0x7F or (name in VARYING and not _is_number(column, value)):
        return None
    pattern = re.escape(b"\x0a%c" % len(key))
    if name in VARYING or (not name and len(key) in _NAME_BYTES):
        pattern += re.escape(key)
    elif not name:  # no key of this length means anything
        pattern += skip(len(key))
    tag = re.escape(field.tag)
    return Part(column, tag, True, pattern, 2 + len(key), name if name in VARYING else ""), len(value)


def _is_number(column: Column | None, value: bytes) -> bool:
    """Return whether a clock is a double, a size a whole number of up to five bytes of seven bits."""
    fields = split_fields(value)
    if fields is None or len(fields) != 1:
        return False
    return value[0] == DOUBLE if column is Column.CLOCKS else value[0] == INT and len(value) <= 6
