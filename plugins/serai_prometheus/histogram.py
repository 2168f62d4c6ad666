"""Request times that add up for ever: what Prometheus calls a classic histogram."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from serai.domain.window import Summary

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds: the client libraries' usual ones, and what slow models take."""


class Histogram:
    """Exact count, sum and bytes; a time near a bound may be counted on its other side: times are rounded by 0.5 %."""

    __slots__ = ("bytes_in", "bytes_out", "count", "counts", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.bytes_in = 0
        self.bytes_out = 0

    def add(self, summary: Summary) -> None:
        """Count what a window counted."""
        self.count += summary.count
        self.sum_s += summary.sum_s
        self.bytes_in += summary.bytes_in
        self.bytes_out += summary.bytes_out
        timed = 0
        for mean_s, weight in summary.centroids:
            timed += round(weight)
            self.counts[bisect_left(BOUNDS_S, mean_s)] += round(weight)
        # Some requests' times may be lost. They took about as long as the others, and all buckets sum to the count.
        if timed < summary.count:
            self.counts[bisect_left(BOUNDS_S, summary.sum_s / summary.count)] += summary.count - timed

    def copy(self) -> Histogram:
        """Return one that stays as this is now."""
        made = Histogram()
        made.count, made.sum_s, made.counts = self.count, self.sum_s, list(self.counts)
        made.bytes_in, made.bytes_out = self.bytes_in, self.bytes_out
        return made

    def buckets(self) -> Sequence[tuple[str, float]]:
        """Return (upper bound, how many took at most so long), the last bound being `+Inf`."""
        total, rows = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows
