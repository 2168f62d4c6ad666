"""Figures as charts, without drawing any: curves by name over the same instants, for the page, its tables and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serai.store.usage_answer import Values


@dataclass(frozen=True, slots=True)
class Curve:
    """Values by instant; None is a gap. `hue` and `dash` number its colour and its pattern; `shown`: from the start."""

    name: str
    values: Values
    hue: int
    dash: int = 0
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves of one unit: requests, seconds, cores, bytes, percent, celsius, watts or restarts. `kind`: bars or lines.

    Bars of several curves stand on top of each other.
    """

    id: str
    title: str
    unit: str
    curves: tuple[Curve, ...]
    kind: str = "lines"

    @property
    def is_empty(self) -> bool:
        return all(value is None for curve in self.curves for value in curve.values)


def join_words(*words: str) -> str:
    return " ".join(word for word in words if word)


def find_gaps(times: Sequence[datetime], charts: Sequence[Chart]) -> int:
    """Return how many instants have no value at all between the first and the last that have one."""
    known = [
        any(curve.values[place] is not None for chart in charts for curve in chart.curves)
        for place in range(len(times))
    ]
    if True not in known:
        return 0
    last = len(known) - known[::-1].index(True)
    return known[known.index(True) : last].count(False)
