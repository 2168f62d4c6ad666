"""Spans on the wire -> their fields as columns, split by protobuf's own C; no meaning of attributes in here.

All spans are read as one message whose fields repeat. A blank value of each field goes before each span's own, so that
columns tell which value is whose: a span without one, or with two, leaves no blank at every other place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Self

from google.protobuf.message import DecodeError

from .span_messages import ScopeColumns, Span

Attributes = Sequence[Sequence[bytes]]  # one sequence for each place that an attribute has in its span
_SPANS = b"\x12"  # the tag of ScopeSpans.spans
_BLANK = Span(attributes=[b""]).SerializeToString() + b"".join(
    [b"\x0a\x00", b"\x12\x00", b"\x30\x00", b"\x39" + bytes(8), b"\x41" + bytes(8)]  # ids, kind, begin and end
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Spans, field by field, and their places among all."""

    places: Sequence[int]
    raw: Sequence[bytes]
    trace_ids: Sequence[bytes]
    span_ids: Sequence[bytes]
    kinds: Sequence[int]
    began_ns: Sequence[int]
    ended_ns: Sequence[int]

    def pick(self, places: Sequence[int]) -> Self:
        """Return the rows at `places` of these; these if it is as many."""
        if len(places) == len(self.raw):
            return self
        pick = picker(places)
        ids = pick(self.trace_ids), pick(self.span_ids)
        return type(self)(
            pick(self.places), pick(self.raw), *ids, pick(self.kinds), pick(self.began_ns), pick(self.ended_ns)
        )


def picker(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what takes the values at `places` out of a column."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda column: tuple(column[place] for place in places)


def read_rows(spans: Sequence[bytes]) -> tuple[Rows, Sequence[bytes]] | None:
    """Return encoded spans as rows, and all their attributes, before those of each span a blank.

    None where a span lacks an id, its kind or a time, or is written in a way that no library writes.
    """
    sizes = list(map(len, spans))
    heads = {size: _BLANK_SPAN + _SPANS + _write_size(size) for size in set(sizes)}
    body = b"".join(chain.from_iterable(zip(map(heads.__getitem__, sizes), spans, strict=True)))
    try:
        found = ScopeColumns.FromString(body).spans
    except DecodeError:
        return None
    # As large as what is written again: no number was longer than it has to be, or packed, which means nothing here.
    if found.ByteSize() != sum(sizes) + len(_BLANK) * len(spans):
        return None
    count = len(spans)
    trace_ids = _split(found.trace_id, count, b"")
    span_ids = _split(found.span_id, count, b"")
    kinds = _split(found.kind, count, 0)
    began_ns = _split(found.start_time_unix_nano, count, 0)
    ended_ns = _split(found.end_time_unix_nano, count, 0)
    if not all(column and all(column) for column in (kinds, began_ns, ended_ns)):
        return None
    if set(map(len, trace_ids)) != {16} or set(map(len, span_ids)) != {8}:
        return None
    return Rows(range(count), spans, trace_ids, span_ids, kinds, began_ns, ended_ns), found.attributes[:]


def _split(field: Any, count: int, blank: object) -> Sequence[Any]:
    """Return the values of a field between blanks, () where they are not one by one."""
    values = field[:]
    return values[1::2] if len(values) == 2 * count and values[::2].count(blank) == count else ()


def split_attributes(attributes: Sequence[bytes], count: int) -> Iterator[tuple[Sequence[int], Attributes]]:
    """Yield places of spans that have as many attributes, with these; nothing where one of all is empty."""
    width = attributes.index(b"", 1) if count > 1 else len(attributes)
    if len(attributes) == count * width and attributes[::width].count(b"") == count:
        yield range(count), [attributes[place::width] for place in range(1, width)]
        return
    begins = [place for place, raw in enumerate(attributes) if not raw]
    if len(begins) != count:
        return
    widths: dict[int, list[int]] = {}
    for place, (begin, end) in enumerate(zip(begins, [*begins[1:], len(attributes)], strict=True)):
        widths.setdefault(end - begin, []).append(place)
    for width, places in widths.items():
        yield places, list(zip(*(attributes[begins[each] + 1 : begins[each] + width] for each in places), strict=True))


def _write_size(size: int) -> bytes:
    """Return a varint."""
    parts = bytearray()
    while size > 0x7F:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])


_BLANK_SPAN = _SPANS + _write_size(len(_BLANK)) + _BLANK
