"""Figures of requests: what the rest of Serai calls. Windows in, answers out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from serai.domain.errors import Invalid
from serai.domain.window import Clock

from .database import Database
from .metrics_answer import PERCENTILES, ClockTimes, RequestMetrics, Times, dump_metrics
from .metrics_figures import Figures
from .metrics_levels import INTERVALS_S, Range, check_asked, check_size, derive_range, plan_reads, plan_total
from .metrics_prune import Retention, delete_metrics, prune_metrics
from .metrics_reading import Cells, Chosen, load_cells, load_sums
from .metrics_rollup import load_levels, roll_up
from .metrics_windows import take_window, take_windows

__all__ = [
    "INTERVALS_S",
    "RequestMetrics",
    "Retention",
    "delete_metrics",
    "dump_metrics",
    "load_requests",
    "prune_metrics",
    "roll_up",
    "take_window",
    "take_windows",
]

MAX_BUCKETS = 11_000
"""Most buckets of an answer: a week by the minute, 30 years by the day."""
_POINTS = [percent / 100 for percent in PERCENTILES]


def load_requests(
    db: Database,
    deployment: str,
    start_at: datetime,
    end_at: datetime,
    interval_s: int,
    version: int | None = None,
    replica: str | None = None,
    status: str | None = None,
) -> RequestMetrics:
    """Return the requests that ended in [start_at, end_at), widened to whole minutes, in buckets of `interval_s`.

    Counts, bytes, averages and maxima are exact, percentiles within 0.5 %. The first and the last bucket hold only
    what lies in the range. `status` is a class such as `5xx`. Where minutes are too old to be kept, the range and the
    interval of the answer are wider than asked. Raise Invalid for an unknown interval or status, a range that ends
    before it starts, or more than MAX_BUCKETS buckets.
    """
    _check(start_at, end_at, interval_s, status)
    with db.read():
        levels = load_levels(db)
        wanted = derive_range(start_at.timestamp(), end_at.timestamp(), interval_s, levels)
        check_size(wanted, MAX_BUCKETS, "buckets")
        chosen = Chosen(deployment, version, replica, status)
        cells = load_cells(db, plan_reads(wanted, levels), chosen, wanted.interval_s)
        total = load_sums(db, plan_total(wanted, levels), chosen)
    return _make_answer(wanted, cells, total)


def _check(start_at: datetime, end_at: datetime, interval_s: int, status: str | None) -> None:
    check_asked(start_at, end_at, interval_s, INTERVALS_S)
    if status is not None and not re.fullmatch(r"[0-9]xx", status):
        raise Invalid(f"the status {status!r} is not a class such as 2xx or 5xx", "status")


def _make_answer(wanted: Range, cells: Cells, total: Mapping[str, Figures]) -> RequestMetrics:
    starts = wanted.bucket_starts()
    buckets = ({clock: cells.get((start, clock.value)) for clock in Clock} for start in starts)
    return RequestMetrics(
        start_at=_at(wanted.start),
        end_at=_at(wanted.end),
        interval_s=wanted.interval_s,
        total=_derive_clocks({clock: total.get(clock.value) for clock in Clock}),
        buckets=tuple((_at(start), _derive_clocks(bucket)) for start, bucket in zip(starts, buckets, strict=True)),
    )


def _derive_clocks(figures: Mapping[Clock, Figures | None]) -> ClockTimes:
    return {clock: _derive_times(value) for clock, value in figures.items()}


def _derive_times(figures: Figures | None) -> Times:
    if figures is None or not figures.count:
        return Times()
    quantiles = figures.quantiles(_POINTS)
    percentiles = None if quantiles is None else tuple(quantiles)
    average_s = figures.sum_s / figures.count
    return Times(figures.count, average_s, figures.max_s, percentiles, figures.bytes_in, figures.bytes_out)


def _at(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
