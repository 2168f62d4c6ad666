"""Two versions of a deployment beside each other: what a comparison answers, and its JSON form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from serai.domain.spec_text import JsonObject
from serai.domain.window import Clock

from .metrics_answer import ClockTimes, RequestMetrics, dump_at, dump_times


class Align(StrEnum):
    """What lies on top of each other: the same time of day, or the same time since each version's first request."""

    CLOCK = "clock"
    START = "start"


@dataclass(frozen=True, slots=True)
class Side:
    """One version: its figures by every clock, and its answers 5xx by the buckets of `metrics`.

    `first_at` is when the first bucket with a request begins, as far as is still known; None: it had none.
    """

    version: int
    metrics: RequestMetrics
    failed: tuple[int, ...]
    first_at: datetime | None

    def clocks(self, place: int | None = None) -> ClockTimes:
        """Return the figures of the bucket at `place`, or of all."""
        return self.metrics.total if place is None else self.metrics.buckets[place][1]

    def error_share(self, place: int | None = None) -> float | None:
        """Return the part of the requests that failed, 0 to 1. None where there was no request."""
        count = self.clocks(place)[Clock.TOTAL].count
        failed = sum(self.failed) if place is None else self.failed[place]
        return failed / count if count else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides of equally many buckets of `interval_s`: those at the same place are to be compared.

    With Align.CLOCK the buckets at a place begin at the same instant, with Align.START as long after the bucket of
    each version's first request.
    """

    align: Align
    interval_s: int
    sides: tuple[Side, Side]


def dump_comparison(found: Comparison, clock: Clock) -> JsonObject:
    """Return `{align, clock, interval, versions, total, buckets}` by the times of `clock`.

    `total` and each bucket have the figures of both versions in their order, and `difference`: those of the second
    less those of the first, null where either is. A bucket begins `offset` seconds after the first one.
    """
    places = range(len(found.sides[0].failed))
    return {
        "align": found.align.value,
        "clock": clock.value,
        "interval": found.interval_s,
        "versions": [_dump_side(side) for side in found.sides],
        "total": _dump_pair([_dump_figures(side, clock) for side in found.sides]),
        "buckets": [
            {"offset": place * found.interval_s} | _dump_pair(list(_dump_buckets(found, clock, place)))
            for place in places
        ],
    }


def _dump_side(side: Side) -> JsonObject:
    return {
        "version": side.version,
        "from": dump_at(side.metrics.start_at),
        "to": dump_at(side.metrics.end_at),
        "first": None if side.first_at is None else dump_at(side.first_at),
    }


def _dump_buckets(found: Comparison, clock: Clock, place: int) -> Iterator[JsonObject]:
    for side in found.sides:
        yield {"at": dump_at(side.metrics.buckets[place][0])} | _dump_figures(side, clock, place)


def _dump_figures(side: Side, clock: Clock, place: int | None = None) -> JsonObject:
    clocks = side.clocks(place)
    whole = clocks[Clock.TOTAL]
    # All requests are counted, those as well for which the clock never ran.
    counted = {"count": whole.count, "error_share": side.error_share(place)}
    return dump_times(clocks[clock]) | counted | {"bytes_in": whole.bytes_in, "bytes_out": whole.bytes_out}


def _dump_pair(rows: Sequence[Mapping[str, Any]]) -> JsonObject:
    first, second = rows
    figures = [name for name in first if name != "at"]
    return {"versions": list(rows), "difference": {name: _subtract(second[name], first[name]) for name in figures}}


def _subtract(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
