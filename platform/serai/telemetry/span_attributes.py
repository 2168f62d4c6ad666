"""Columns of attributes as they are on the wire: whether all of one are of one key, and the numbers that they hold.

All of a column is looked at together, joined by a mark. No sender can know the mark, which is drawn anew in every
process, so what is found behind it begins an attribute.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import iter_unpack

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .span_facts import LIMIT_US, MOST_BYTES
from .span_messages import SizeColumn
from .span_rows import Attributes, picker

_KEY, _VALUE = 0x0A, 0x12  # tags of KeyValue
_DOUBLE = b"\x09\x21"  # the length of a double and its tag
# A value as well, and no size, as sizes are read with the marks between them.
_MARK_SIZE = secrets.randbelow(2**55) + 2**55
_MARK = KeyValue(value=AnyValue(int_value=_MARK_SIZE)).SerializeToString()


@dataclass(frozen=True, slots=True)
class Column:
    """Attributes that begin with the same bytes: their key, and the tag of a value."""

    begin: bytes
    values: Sequence[bytes]
    joined: bytes
    """Each with a mark before it."""


def find_kinds(columns: Attributes, count: int, few: int) -> Iterator[tuple[Sequence[int], Sequence[Column]]]:
    """Yield places of spans that have the same keys in the same order, with their attributes.

    Left out are kinds of which there are few, and those with an attribute in an unusual form.
    """
    read = list(map(_read_column, columns))
    if found := [column for column in read if column is not None] if None not in read else None:
        yield range(count), found
        return
    kinds: dict[tuple[bytes, ...], list[int]] = {}
    for place, row in enumerate(zip(*columns, strict=True)):
        kinds.setdefault(tuple(map(_begin_of, row)), []).append(place)
    for kind, places in kinds.items():
        if len(places) > few and all(kind):
            pick = picker(places)
            yield places, [_join(begin, pick(column)) for begin, column in zip(kind, columns, strict=True)]


def _read_column(values: Sequence[bytes]) -> Column | None:
    """Return a column, None where not all of it begins alike or something is in an unusual form."""
    begin = _begin_of(values[0])
    column = _join(begin, values)
    return column if begin and column.joined.count(_MARK + begin) == len(values) else None


def _begin_of(raw: bytes) -> bytes:
    """Return an attribute's key as it is on the wire, and the tag of its value; b"" where that is not how it begins."""
    end = raw[1] + 2 if len(raw) > 1 else 2
    return raw[: end + 1] if len(raw) > end and raw[0] == _KEY and end < 0x82 and raw[end] == _VALUE else b""


def _join(begin: bytes, values: Sequence[bytes]) -> Column:
    return Column(begin, values, _MARK + _MARK.join(values))


def read_times(column: Column) -> Sequence[int]:
    """Return the whole microseconds of doubles in seconds, () where something else is among them."""
    begin, joined, count = _MARK + column.begin + _DOUBLE, column.joined, len(column.values)
    width = len(begin) + 8
    if len(joined) != width * count or any(joined[at::width].count(byte) != count for at, byte in enumerate(begin)):
        return ()
    try:
        times_us = [int(seconds * 1e6 + 0.5) for (seconds,) in iter_unpack(f"<{len(begin)}xd", joined)]
    except (ValueError, OverflowError):  # NaN, infinity
        return ()
    return times_us if min(times_us) >= 0 and max(times_us) <= LIMIT_US else ()


def read_sizes(column: Column) -> Sequence[int]:
    """Return whole numbers from 0, () where something else is among them."""
    try:
        found = SizeColumn.FromString(column.joined).value
    except DecodeError:
        return ()
    found.DiscardUnknownFields()
    count, values = len(column.values), found.sizes[:]
    if len(values) != 2 * count or values[::2].count(_MARK_SIZE) != count:
        return ()
    # Nothing else is in there if marks, keys with a byte each for a value's length, and the numbers are as long.
    if len(column.joined) != count * (2 + len(column.begin) + 1) + found.ByteSize():
        return ()
    sizes = values[1::2]
    return sizes if min(sizes) >= 0 and max(sizes) <= MOST_BYTES else ()
