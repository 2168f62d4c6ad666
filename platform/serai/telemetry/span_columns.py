"""Sort spans on the wire by columns: what a sender writes in the same order is read attribute by attribute, in C.

Spans of one sender have the same attributes at the same places, but for few kinds of them. Of spans of one kind only
the attributes that mean something are looked at, each as one column of bytes: that they are what they are taken for is
seen by the least and the greatest of a column, since everything between begins as both do. Whatever is otherwise goes
the usual way, span by span (`Sorter.add`), which takes five times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from struct import iter_unpack
from typing import Any

from serai.domain import attributes as names

from .span_facts import LIMIT_US, MOST_BYTES, RELEVANT, VARYING
from .span_groups import WINDOW_NS, Group, Sorter, SpanMessage
from .span_wire import WireLookup, WireScope, unpack_varints

Spans = Sequence[SpanMessage]
Kind = tuple[tuple[str, int], ...]  # relevant attributes of spans of a kind, with their places, in ascending order
_FEW = 4  # spans of a kind that are not worth it
_KEYS = {name: name.encode() for name in RELEVANT}
_PREFIXES = {name: bytes([0x0A, len(key)]) + key + b"\x12" for name, key in _KEYS.items()}
_DOUBLE = b"\x09\x21"
_INT = 0x18
_attributes = attrgetter("attributes")
_heads = attrgetter("trace_id", "span_id", "kind", "start_time_unix_nano", "end_time_unix_nano")


class ColumnSorter:
    """Sorts spans into the groups of a `Sorter`; `lookup` gives the numbers of attributes."""

    def __init__(self, sorter: Sorter, lookup: WireLookup) -> None:
        self._sorter = sorter
        self._lookup = lookup

    def add(self, scope: WireScope) -> None:
        """Sort the spans of a scope."""
        base = tuple(filter(None, map(self._lookup.__getitem__, scope.of_resource)))
        present = {name for name, key in _KEYS.items() if key in scope.raw}
        for spans, rows in _by_length(scope.spans):
            kind = _find_kind(rows[0])
            is_whole = kind is not None and present == {name for name, _ in kind}
            if not (is_whole and kind and self._add_alike(base, spans, rows, kind)):
                self._add_by_kind(base, spans, rows, scope)

    def _add_by_kind(self, base: tuple[int, ...], spans: Spans, rows: Sequence[Any], scope: WireScope) -> None:
        """Sort spans that are of several kinds, each by itself."""
        kinds: dict[Kind | None, list[int]] = {}
        for place, row in enumerate(rows):
            kinds.setdefault(_find_kind(row), []).append(place)
        for kind, places in kinds.items():
            of_kind, its_rows = _pick(spans, places), _pick(rows, places)
            if not (kind and len(places) > _FEW and self._add_alike(base, of_kind, its_rows, kind)):
                self._sorter.add(scope.of_resource, of_kind, self._lookup.__getitem__)

    def _add_alike(self, base: tuple[int, ...], spans: Spans, rows: Sequence[Any], kind: Kind) -> bool:
        """Sort spans of one kind; False, with nothing done, where they are not, or hold what is unusual."""
        if len(kind) < 2:
            return False
        numbers: list[Sequence[int] | repeat[int]] = [repeat(number) for number in base]
        varying: dict[str, Sequence[int]] = {}
        columns = zip(*map(itemgetter(*(place for _, place in kind)), rows), strict=True)
        for (name, _), column in zip(kind, columns, strict=True):
            low, high = min(column), max(column)
            if not (low.startswith(_PREFIXES[name]) and high.startswith(_PREFIXES[name])):
                return False
            if name not in VARYING:
                own = repeat(self._lookup[low]) if low == high else list(map(self._lookup.__getitem__, column))
                numbers.append(own)
                continue
            values = _read_times(name, column, low, high) if name in _CLOCKS else _read_sizes(name, column)
            if values is None:
                return False
            varying[name] = values
        return self._add_columns(spans, numbers, varying)

    def _add_columns(
        self, spans: Spans, numbers: Sequence[Sequence[int] | repeat[int]], varying: dict[str, Sequence[int]]
    ) -> bool:
        trace_ids, span_ids, kinds, began_ns, ended_ns = zip(*map(_heads, spans), strict=True)
        if set(map(len, trace_ids)) != {16} or set(map(len, span_ids)) != {8}:
            return False
        first, last = min(ended_ns) // WINDOW_NS, max(ended_ns) // WINDOW_NS
        windows = repeat(first) if first == last else [ended // WINDOW_NS for ended in ended_ns]
        places: dict[tuple[int, ...], list[int]] = {}
        for place, key in enumerate(zip(windows, kinds, *numbers)):  # noqa: B905 - what is the same for all is endless
            found = places.get(key)
            if found is None:
                places[key] = [place]
            else:
                found.append(place)
        columns = {
            "ids": list(map(bytes.__add__, trace_ids, span_ids)),
            "totals_us": [(end - begin) // 1000 for begin, end in zip(began_ns, ended_ns, strict=True)],
            **varying,
        }
        for key, own in places.items():
            group = self._sorter.group_of(key)
            if group.is_request:
                _extend(group, columns, own)
            else:
                group.keep(_pick(spans, own))
        return True


def _extend(group: Group, columns: dict[str, Any], places: list[int]) -> None:
    own = {name: _pick(column, places) for name, column in columns.items()}
    group.count += len(places)
    group.ids += own["ids"]
    group.totals_us += own["totals_us"]
    group.firsts_us += own.get(names.CLOCK_FIRST_BYTE, ())
    group.queues_us += own.get(names.CLOCK_QUEUE, ())
    group.bytes_in += sum(own.get(names.REQUEST_BYTES, ()))
    group.bytes_out += sum(own.get(names.RESPONSE_BYTES, ()))


def _pick(column: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    if len(places) == len(column):
        return column
    return itemgetter(*places)(column) if len(places) > 1 else (column[places[0]],)


def _by_length(spans: Spans) -> Iterator[tuple[Spans, Sequence[Any]]]:
    """Yield spans that have as many attributes, with these."""
    rows = list(map(_attributes, spans))
    lengths = list(map(len, rows))
    found = dict.fromkeys(lengths)
    if len(found) == 1:
        yield spans, rows
        return
    for length in found:
        places = [place for place, each in enumerate(lengths) if each == length]
        yield _pick(spans, places), _pick(rows, places)


def _find_kind(row: Sequence[bytes]) -> Kind | None:
    """Return which relevant attributes a span has at which places, None where one is written in an unusual way."""
    found = []
    for place, raw in enumerate(row):
        if len(raw) < 3 or raw[0] != 0x0A or raw[1] > 0x7F or len(raw) < raw[1] + 3 or raw[raw[1] + 2] != 0x12:
            return None
        name = _NAMES.get(raw[2 : raw[1] + 2])
        if name is not None:
            found.append((name, place))
    return tuple(found)


def _read_times(name: str, column: Sequence[bytes], low: bytes, high: bytes) -> Sequence[int] | None:
    """Return the whole microseconds of doubles in seconds, None where something else is among them."""
    prefix = _PREFIXES[name] + _DOUBLE
    if not (low.startswith(prefix) and high.startswith(prefix)) or set(map(len, column)) != {len(prefix) + 8}:
        return None
    try:
        times_us = [int(seconds * 1e6 + 0.5) for (seconds,) in iter_unpack(f"<{len(prefix)}xd", b"".join(column))]
    except (ValueError, OverflowError):  # NaN, infinity
        return None
    return times_us if min(times_us) >= 0 and max(times_us) <= LIMIT_US else None


def _read_sizes(name: str, column: Sequence[bytes]) -> Sequence[int] | None:
    """Return whole numbers from 0, None where something else is among them."""
    begin = len(_PREFIXES[name]) + 2  # of the number, after its length and its tag
    if min(map(len, column)) <= begin or max(map(itemgetter(-1), column)) > 0x7F:
        return None
    if bytes(map(itemgetter(begin - 1), column)).count(_INT) != len(column):
        return None
    lengths = sum(map(itemgetter(begin - 2), column))
    numbers = unpack_varints(b"".join([raw[begin:] for raw in column]))
    # Each holds at least the end of a number, so as many as there are is one of each.
    if len(numbers) != len(column) or lengths != sum(map(len, column)) - len(column) * (begin - 1):
        return None
    return numbers if min(numbers) >= 0 and max(numbers) <= MOST_BYTES else None


_CLOCKS = frozenset({names.CLOCK_FIRST_BYTE, names.CLOCK_QUEUE})
_NAMES = {key: name for name, key in _KEYS.items()}
