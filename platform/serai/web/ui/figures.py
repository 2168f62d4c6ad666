"""The last hour of requests of a deployment as drawings and totals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from serai.domain.window import Clock
from serai.reconcile.core import Core
from serai.store.metrics import RequestMetrics, load_requests
from serai.store.metrics_answer import Times

from .charts import make_bars, make_line, make_lines
from .words import rate, seconds

HOUR_S = 3600
STEP_S = 60
P50, P95 = 0, 3  # places in serai.store.metrics_answer.PERCENTILES


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute for the table behind the chart. None: no request."""

    at: datetime
    count: int
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Hour:
    """Sixty minutes. `per_second` is the mean over the hour; times are None where nothing was asked."""

    minutes: tuple[Minute, ...]
    count: int
    avg_s: float | None
    max_s: float | None
    p50_s: float | None
    p95_s: float | None

    @property
    def per_second(self) -> float:
        return self.count / HOUR_S

    @property
    def peak(self) -> int:
        return max((minute.count for minute in self.minutes), default=0)

    @property
    def slowest_s(self) -> float | None:
        return max((minute.p95_s for minute in self.minutes if minute.p95_s is not None), default=None)

    def rate_line(self) -> Markup:
        # The present minute is not over: it would draw a fall that is none.
        values = [float(minute.count) for minute in self.minutes[:-1]]
        return make_line(values, f"{rate(self.per_second)} requests a second in the last hour", 96, 20)

    def p95_line(self) -> Markup:
        values = [minute.p95_s for minute in self.minutes]
        return make_line(values, f"95 % of requests within {seconds(self.p95_s)} in the last hour", 96, 20)

    def bars(self) -> Markup:
        values = [float(minute.count) for minute in self.minutes]
        return make_bars(values, f"Requests by the minute in the last hour, {self.count:,} in all", 600, 120)

    def times(self) -> Markup:
        named = [("p50", [m.p50_s for m in self.minutes]), ("p95", [m.p95_s for m in self.minutes])]
        label = f"Request time by the minute: median {seconds(self.p50_s)}, 95 % within {seconds(self.p95_s)}"
        return make_lines(named, label)


def load_hour(core: Core, name: str) -> Hour:
    """Return the sixty full minutes before now and what of this one there is."""
    now = core.clock()
    start = now.replace(second=0, microsecond=0) - timedelta(seconds=HOUR_S)
    return derive_hour(load_requests(core.metrics, name, start, now, STEP_S))


def derive_hour(metrics: RequestMetrics) -> Hour:
    total = metrics.total[Clock.TOTAL]
    minutes = tuple(_make_minute(at, times[Clock.TOTAL]) for at, times in metrics.buckets)
    return Hour(minutes, total.count, total.avg_s, total.max_s, _at(total, P50), _at(total, P95))


def _make_minute(at: datetime, times: Times) -> Minute:
    return Minute(at, times.count, _at(times, P50), _at(times, P95))


def _at(times: Times, place: int) -> float | None:
    return None if times.percentiles is None else times.percentiles[place]
