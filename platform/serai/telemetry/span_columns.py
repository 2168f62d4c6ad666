"""Sort spans on the wire by columns: what a sender writes in the same order is read attribute by attribute, in C.

Spans of one sender have the same attributes at the same places, but for few kinds of them. Those of one kind are
grouped by the bytes of the attributes that name a series, which are understood once for each group. Whatever is
otherwise goes the usual way, span by span (`Sorter.add`), which takes several times as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from serai.domain import attributes as names

from .span_attributes import Column, find_kinds, read_numbers, read_sizes, read_times
from .span_facts import RELEVANT, VARYING
from .span_groups import WINDOW_NS, Group, Sorter
from .span_rows import Rows, picker, read_rows, split_attributes
from .span_wire import WireLookup, WireScope, read_spans

_FEW = 4  # spans of a kind that are not worth it
_NAMES = {b"\x0a%c%b\x12" % (len(name), name.encode()): name for name in RELEVANT}
_READERS = {
    names.CLOCK_FIRST_BYTE: read_times,
    names.CLOCK_QUEUE: read_times,
    names.REQUEST_BYTES: read_sizes,
    names.RESPONSE_BYTES: read_sizes,
}


class ColumnSorter:
    """Sorts spans into the groups of a `Sorter`; `lookup` gives the numbers of attributes."""

    def __init__(self, sorter: Sorter, lookup: WireLookup) -> None:
        self._sorter = sorter
        self._lookup = lookup

    def add(self, scope: WireScope) -> None:
        """Sort the spans of a scope. Raise Malformed where one is none."""
        spans = scope.spans
        taken = self._add_by_kind(scope) if len(spans) > _FEW else ()
        if len(taken) < len(spans):
            left = sorted(set(range(len(spans))).difference(taken))
            self._sorter.add(scope.of_resource, read_spans([spans[place] for place in left]), self._lookup.__getitem__)

    def _add_by_kind(self, scope: WireScope) -> Sequence[int]:
        """Sort spans that are like others; return their places."""
        read = read_rows(scope.spans)
        if read is None:
            return ()
        rows, attributes = read
        base = tuple(filter(None, map(self._lookup.__getitem__, scope.of_resource)))
        taken: list[int] = []
        for places, columns in split_attributes(attributes, len(scope.spans)):
            alike = rows.pick(places)
            for among, of_kind in find_kinds(columns, len(places), _FEW):
                taken += self._add_alike(base, alike.pick(among), of_kind)
        return taken

    def _add_alike(self, base: tuple[int, ...], rows: Rows, columns: Sequence[Column]) -> Sequence[int]:
        """Sort spans of one kind; return the places of those that hold nothing unusual."""
        constant: list[Iterable[bytes]] = []
        varying: dict[str, Sequence[int]] = {}
        for column in columns:
            name = _NAMES.get(column.begin)
            if name in VARYING:
                values = varying[name] = read_numbers(_READERS[name], column)
                if not values:
                    return ()
            elif name is not None:
                constant.append(repeat(column.values[0]) if column.is_same else column.values)
        return self._add_rows(base, rows, _group(rows, constant), varying)

    def _add_rows(
        self, base: tuple[int, ...], rows: Rows, groups: dict[Any, list[int]], varying: dict[str, Sequence[int]]
    ) -> Sequence[int]:
        taken: list[int] = []
        totals_us = [(end - begin) // 1000 for begin, end in zip(rows.began_ns, rows.ended_ns, strict=True)]
        for (window, kind, *constant), own in groups.items():
            numbers = tuple(map(self._lookup.__getitem__, constant))
            if 0 in numbers:  # one of these has a second key, and means something else
                continue
            taken += own
            group = self._sorter.group_of((window, kind, *base, *numbers))
            if group.is_request:
                _extend(group, rows, totals_us, varying, own)
            else:
                kept = rows.pick(own)
                group.keep(list(zip(kept.trace_ids, kept.span_ids, kept.raw, strict=True)))
        return rows.pick(taken).places


def _group(rows: Rows, constant: Sequence[Iterable[bytes]]) -> dict[Any, list[int]]:
    """Return places by window, kind of span and the bytes of attributes."""
    first, last = min(rows.ended_ns) // WINDOW_NS, max(rows.ended_ns) // WINDOW_NS
    windows = repeat(first) if first == last else [ended // WINDOW_NS for ended in rows.ended_ns]
    groups: defaultdict[Any, list[int]] = defaultdict(list)
    for place, key in enumerate(zip(windows, rows.kinds, *constant)):  # noqa: B905 - what is the same for all is endless
        groups[key].append(place)
    return groups


def _extend(
    group: Group, rows: Rows, totals_us: Sequence[int], varying: dict[str, Sequence[int]], own: Sequence[int]
) -> None:
    pick = picker(own)
    group.count += len(own)
    group.trace_ids += pick(rows.trace_ids)
    group.span_ids += pick(rows.span_ids)
    group.totals_us += pick(totals_us)
    for name, values in varying.items():
        match name:
            case names.CLOCK_FIRST_BYTE:
                group.firsts_us += pick(values)
            case names.CLOCK_QUEUE:
                group.queues_us += pick(values)
            case names.REQUEST_BYTES:
                group.bytes_in += sum(pick(values))
            case names.RESPONSE_BYTES:
                group.bytes_out += sum(pick(values))
