"""Sort spans on the wire by columns: what the intake looks at is cut out of many spans that are written alike, in C.

Spans of one sender are written in few ways (`span_layout`), which are remembered from batch to batch (`span_shapes`);
a pattern of each cuts out its columns (`span_shape`). Spans are grouped by the bytes of the attributes that name a
series, which are understood once for each group. Whatever is otherwise goes the usual way, span by span
(`Sorter.add`), which takes several times as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import repeat
from operator import itemgetter, sub
from typing import Any

from serai.domain import attributes as names

from .span_groups import WINDOW_NS, Group, Sorter
from .span_ids import split_ids
from .span_layout import Column
from .span_shape import Fields, Shape
from .span_shapes import Shapes
from .span_values import read_clock, read_sizes, read_times, split_run
from .span_wire import WireLookup, WireScope, read_spans

_FEW = 4  # spans that are not worth it
_MOST_SHAPES = 16  # of one scope: all spans that are left are tried with each


class ColumnSorter:
    """Sorts spans into the groups of a `Sorter`; `lookup` gives the numbers of attributes."""

    def __init__(self, sorter: Sorter, lookup: WireLookup, shapes: Shapes) -> None:
        self._sorter = sorter
        self._lookup = lookup
        self._shapes = shapes

    def add(self, scope: WireScope) -> None:
        """Sort the spans of a scope. Raise Malformed where one is none."""
        left, unusual = scope.spans, list[bytes]()
        for _ in range(_MOST_SHAPES):
            shape = self._shapes.find(left) if len(left) > _FEW else None
            if shape is None:
                break
            left, more = self._add_alike(scope.of_resource, shape, left)
            unusual += more
        if left or unusual:
            self._sorter.add(scope.of_resource, read_spans([*left, *unusual]), self._lookup.__getitem__)

    def _add_alike(
        self, of_resource: Sequence[bytes], shape: Shape, spans: Sequence[bytes]
    ) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Sort spans of a shape; return those of others, and those whose attributes are not what they seem to be."""
        own, fields, others = shape.read(spans)
        rows = _Rows(shape, own, fields)
        base = tuple(filter(None, map(self._lookup.__getitem__, of_resource)))
        unusual: list[bytes] = []
        for (window, *facts), places in rows.group().items():
            numbers = [self._lookup[raw] for of_run in facts for raw in split_run(of_run)]
            if 0 in numbers:  # one of these does not name a series
                unusual += picker(places)(own)
            else:
                rows.add_to(self._sorter.group_of((window, shape.kind, *base, *numbers)), places)
        return others, unusual


class _Rows:
    """Spans of a shape by their columns."""

    def __init__(self, shape: Shape, spans: Sequence[bytes], rows: Sequence[Fields]) -> None:
        self._spans = spans
        self._facts: list[Sequence[bytes]] = []
        self._varying: dict[str, Sequence[int]] = {}
        for (column, names_of), fields in zip(shape.columns, zip(*rows, strict=True), strict=True):
            match column:
                case Column.IDS:
                    self._ids = fields
                case Column.TIMES:
                    began_ns, self._ended_ns = read_times(fields)
                    self._totals_us = [ns // 1000 for ns in map(sub, self._ended_ns, began_ns)]
                case Column.FACTS:
                    self._facts.append(fields)
                case Column.CLOCKS:
                    self._varying[names_of[0]] = read_clock(fields)
                case Column.SIZES:
                    self._varying |= zip(names_of, read_sizes(fields, len(names_of)), strict=True)

    def group(self) -> dict[Any, list[int]]:
        """Return places by window and the bytes of attributes that name a series."""
        first, last = min(self._ended_ns) // WINDOW_NS, max(self._ended_ns) // WINDOW_NS
        windows = repeat(first) if first == last else [ended // WINDOW_NS for ended in self._ended_ns]
        groups: defaultdict[Any, list[int]] = defaultdict(list)
        keys = zip(windows, *self._facts)  # noqa: B905 - what is the same for all is endless
        for place, key in zip(range(len(self._ids)), keys):  # noqa: B905
            groups[key].append(place)
        return groups

    def add_to(self, group: Group, places: Sequence[int]) -> None:
        """Add the spans at `places` to their group."""
        pick = picker(places)
        if not group.is_request:
            group.keep([(*split_ids(ids), raw) for ids, raw in zip(pick(self._ids), pick(self._spans), strict=True)])
            return
        group.count += len(places)
        group.ids += pick(self._ids)
        group.totals_us += pick(self._totals_us)
        for name, values in self._varying.items():
            match name:
                case names.CLOCK_FIRST_BYTE:
                    group.firsts_us += pick(values)
                case names.CLOCK_QUEUE:
                    group.queues_us += pick(values)
                case names.REQUEST_BYTES:
                    group.bytes_in += sum(pick(values))
                case names.RESPONSE_BYTES:
                    group.bytes_out += sum(pick(values))


def picker(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what takes the values at `places` out of a column."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda column: tuple(column[place] for place in places)
