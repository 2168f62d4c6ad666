"""The shapes of spans that came lately: learned from a few of many spans that no known shape matches."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat

from .span_layout import Layout, read_layout
from .span_shape import Shape

_MOST_SHAPES = 32
_TRIED, _LEARNED_FROM = 4, 32  # spans of those that are asked about
_ENOUGH = 16  # spans alike that are worth a pattern
# To learn takes about as long as so many spans take one by one, so it is tried once for as many that are unknown.
_COST, _MOST_CREDIT = 500, 2000
_LONGEST_SPAN, _LONGEST, _MOST_SIZES = 8192, 511, 1024  # bytes of a span, of a value; lengths in a pattern
_STEP = 8  # lengths are learned by so many, so that few patterns are made until all are known


class Shapes:
    """Remembers shapes; safe to use from any thread. What was not used for longest is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shapes: dict[Layout, Shape] = {}
        self._credit = _MOST_CREDIT

    def find(self, spans: Sequence[bytes]) -> Shape | None:
        """Return a shape that one of the spans has, or more; None where none is known and few are alike."""
        with self._lock:
            tried = _pick(spans, _TRIED)
            for layout, shape in reversed(self._shapes.items()):
                if any(map(shape.match, tried)):
                    self._shapes[layout] = self._shapes.pop(layout)
                    return shape
            self._credit = min(self._credit + len(spans), _MOST_CREDIT)
            if len(spans) < _ENOUGH or self._credit < _COST:
                return None
            self._credit -= _COST
            return self._learn(spans)

    def _learn(self, spans: Sequence[bytes]) -> Shape | None:
        sample = _pick(spans, _LEARNED_FROM)
        layout, rows = _find_commonest(sample)
        if layout is None or len(rows) * len(spans) < _ENOUGH * len(sample):
            return None
        known = self._shapes.get(layout)
        sizes = list(map(_cover, zip(*rows, strict=True), known.sizes if known else repeat(range(0))))
        if known is not None and sizes == known.sizes:
            return known
        if sum(len(of_part) for part, of_part in zip(layout.parts, sizes, strict=True) if part.is_sized) > _MOST_SIZES:
            return None
        shape = self._shapes[layout] = Shape(layout, sizes)
        re.purge()  # which would keep hundreds of patterns that are forgotten here
        if len(self._shapes) > _MOST_SHAPES:
            del self._shapes[next(iter(self._shapes))]
        return shape


def _pick(spans: Sequence[bytes], most: int) -> Sequence[bytes]:
    """Return at most so many of the spans, from all over."""
    return spans[:: -(-len(spans) // most)]


def _find_commonest(spans: Iterable[bytes]) -> tuple[Layout | None, list[Sequence[int]]]:
    """Return the layout that most have, and the lengths of the parts of each that has it."""
    found: defaultdict[Layout, list[Sequence[int]]] = defaultdict(list)
    for raw in spans:
        read = read_layout(raw) if len(raw) <= _LONGEST_SPAN else None
        if read is not None and max(read[1]) <= _LONGEST:
            found[read[0]].append(read[1])
    return max(found.items(), key=lambda item: len(item[1]), default=(None, []))


def _cover(sizes: Iterable[int], known: range) -> range:
    """Return the lengths from the least to the greatest, those that are known among them.

    Only one where all are the same, which is quicker to match; otherwise in whole steps.
    """
    ends = {*sizes, *known[:1], *known[-1:]}
    least, greatest = min(ends), max(ends)
    if least == greatest:
        return range(least, least + 1)
    return range(least // _STEP * _STEP, (greatest // _STEP + 1) * _STEP)
