"""Columns of attributes as they are on the wire: whether all of one are of one key, and the numbers that they hold.

All of a column is looked at together, joined by a mark. No sender can know the mark, which is drawn anew in every
process, so what is found behind it begins an attribute.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
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
_MARK = KeyValue(value=AnyValue(int_value=2**55 + secrets.randbelow(2**55))).SerializeToString()


@dataclass(frozen=True, slots=True)
class Column:
    """Attributes that begin with the same bytes: their key, and the tag of a value. `is_same`: all are the same."""

    begin: bytes
    values: Sequence[bytes]
    is_same: bool = False


def find_kinds(columns: Attributes, count: int, few: int) -> Iterator[tuple[Sequence[int], Sequence[Column]]]:
    """Yield places of spans that have the same keys in the same order, with their attributes.

    Left out are kinds of which there are few, and those with an attribute in an unusual form.
    """
    read = list(map(_read_column, columns))
    found = [column for column in read if column is not None]
    if len(found) == len(read):
        yield range(count), found
        return
    kinds: dict[tuple[bytes, ...], list[int]] = {}
    for place, row in enumerate(zip(*columns, strict=True)):
        kinds.setdefault(tuple(map(_begin_of, row)), []).append(place)
    for kind, places in kinds.items():
        if len(places) > few and all(kind):
            pick = picker(places)
            yield places, [Column(begin, pick(column)) for begin, column in zip(kind, columns, strict=True)]


def _read_column(values: Sequence[bytes]) -> Column | None:
    """Return a column, None where not all of it begins alike or something is in an unusual form."""
    first, count = values[0], len(values)
    begin = _begin_of(first)
    if not begin:
        return None
    if first == values[-1] and values.count(first) == count:
        return Column(begin, values, is_same=True)
    return Column(begin, values) if _join(values).count(_MARK + begin) == count else None


def _begin_of(raw: bytes) -> bytes:
    """Return an attribute's key as it is on the wire, and the tag of its value; b"" where that is not how it begins."""
    end = raw[1] + 2 if len(raw) > 1 else 2
    return raw[: end + 1] if len(raw) > end and raw[0] == _KEY and end < 0x82 and raw[end] == _VALUE else b""


def _join(values: Sequence[bytes]) -> bytes:
    """Return values, each with a mark before it."""
    return _MARK + _MARK.join(values)


def read_numbers(read: Callable[[bytes, Sequence[bytes]], tuple[int, ...]], column: Column) -> tuple[int, ...]:
    """Return the numbers of a column, () where one is none that `read` takes."""
    if column.is_same:
        return read(column.begin, column.values[:1]) * len(column.values)
    return read(column.begin, column.values)


def read_times(begin: bytes, values: Sequence[bytes]) -> tuple[int, ...]:
    """Return the whole microseconds of doubles in seconds, () where something else is among them."""
    begin, joined, count = _MARK + begin + _DOUBLE, _join(values), len(values)
    width = len(begin) + 8
    is_even = len(joined) == width * count and joined.count(begin) == count
    # Of the same length are all if a mark stands wherever one should.
    if not (is_even and all(joined[at::width].count(_MARK[at]) == count for at in range(len(_MARK)))):
        return ()
    try:
        times_us = tuple([int(seconds * 1e6 + 0.5) for (seconds,) in iter_unpack(f"<{len(begin)}xd", joined)])
    except (ValueError, OverflowError):  # NaN, infinity
        return ()
    return times_us if min(times_us) >= 0 and max(times_us) <= LIMIT_US else ()


def read_sizes(begin: bytes, values: Sequence[bytes]) -> tuple[int, ...]:
    """Return whole numbers from 0, () where something else is among them."""
    joined, count = _join(values), len(values)
    try:
        found = SizeColumn.FromString(joined).value
    except DecodeError:
        return ()
    found.DiscardUnknownFields()
    # Nothing else is in there if marks, keys with a byte each for a value's length, and the numbers are as long.
    if len(found.sizes) != 2 * count or len(joined) != count * (2 + len(begin) + 1) + found.ByteSize():
        return ()
    sizes = tuple(found.sizes[1::2])  # between marks, none of which is among them as they are greater
    return sizes if min(sizes) >= 0 and max(sizes) <= MOST_BYTES else ()
