"""What is told of a series of requests: exact count, sum, least and greatest, and a count by bucket."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from serai.domain.window import Summary

BOUNDS_S = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(30.0, 60.0, 120.0, 300.0),
)
"""Upper bounds in seconds: those of the semantic conventions, and what slow models take."""


@dataclass(frozen=True, slots=True)
class Tally:
    """`began_at` is an instant before all that is counted, `last_at` the end of the last of it (epoch seconds).

    A time near a bound may be counted on its other side, as times come rounded by 0.5 %.
    """

    began_at: float
    last_at: float
    count: int
    sum_s: float
    min_s: float
    max_s: float
    buckets: tuple[int, ...]
    bytes_in: int
    bytes_out: int


def make_tally(summary: Summary, start: float, end: float) -> Tally:
    """Return the tally of what a window counted."""
    counts = [0] * (len(BOUNDS_S) + 1)
    timed = 0
    for mean_s, weight in summary.centroids:
        timed += round(weight)
        counts[bisect_left(BOUNDS_S, mean_s)] += round(weight)
    # Some requests' times may be lost. They took about as long as the others, and all buckets sum to the count.
    if timed < summary.count:
        counts[bisect_left(BOUNDS_S, summary.sum_s / summary.count)] += summary.count - timed
    return Tally(
        start,
        end,
        summary.count,
        summary.sum_s,
        summary.min_s,
        summary.max_s,
        tuple(counts),
        summary.bytes_in,
        summary.bytes_out,
    )


def add(one: Tally, other: Tally) -> Tally:
    """Return what both count."""
    return Tally(
        min(one.began_at, other.began_at),
        max(one.last_at, other.last_at),
        one.count + other.count,
        one.sum_s + other.sum_s,
        min(one.min_s, other.min_s),
        max(one.max_s, other.max_s),
        tuple(map(sum, zip(one.buckets, other.buckets, strict=True))),
        one.bytes_in + other.bytes_in,
        one.bytes_out + other.bytes_out,
    )
