"""The figures of requests that a query answers, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from serai.domain.spec_text import JsonObject
from serai.domain.window import Clock

PERCENTILES = (50, 75, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Times:
    """How long `count` requests took, in seconds; `percentiles` in the order of PERCENTILES. None: no request.

    Bytes of the bodies of requests and answers are those of the clock TOTAL, and 0 for the others.
    """

    count: int = 0
    avg_s: float | None = None
    max_s: float | None = None
    percentiles: tuple[float, ...] | None = None
    bytes_in: int = 0
    bytes_out: int = 0


ClockTimes = Mapping[Clock, Times]
"""Times by every clock. The count of requests is that of TOTAL; the others leave out requests they never ran for."""


@dataclass(frozen=True, slots=True)
class RequestMetrics:
    """Requests of [start_at, end_at) altogether, and by buckets (start, times) of `interval_s` without a gap."""

    start_at: datetime
    end_at: datetime
    interval_s: int
    total: ClockTimes
    buckets: tuple[tuple[datetime, ClockTimes], ...]


def dump_metrics(metrics: RequestMetrics) -> JsonObject:
    """Return `{interval, from, to, total, buckets}`: figures of the clock `total` directly, of the others by name.

    Bytes stand once, beside the figures of the clock `total`.
    """
    return {
        "interval": metrics.interval_s,
        "from": dump_at(metrics.start_at),
        "to": dump_at(metrics.end_at),
        "total": _dump_clocks(metrics.total),
        "buckets": [{"at": dump_at(at)} | _dump_clocks(clocks) for at, clocks in metrics.buckets],
    }


def _dump_clocks(clocks: ClockTimes) -> JsonObject:
    total = clocks[Clock.TOTAL]
    others = {clock.value: dump_times(clocks[clock]) for clock in Clock if clock is not Clock.TOTAL}
    return dump_times(total) | {"bytes_in": total.bytes_in, "bytes_out": total.bytes_out} | others


def dump_times(times: Times) -> JsonObject:
    """Return `{count, avg, max, p50, ...}`, null where there was no request."""
    values = times.percentiles or (None,) * len(PERCENTILES)
    named: JsonObject = {f"p{point}": value for point, value in zip(PERCENTILES, values, strict=True)}
    return {"count": times.count, "avg": times.avg_s, "max": times.max_s} | named


def dump_at(at: datetime) -> str:
    """Return an instant of UTC as `2026-01-31T12:00:00Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
