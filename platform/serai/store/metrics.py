"""Figures of requests: what the rest of Serai calls. Windows in, answers out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import peewee

from serai.domain.errors import Invalid
from serai.domain.window import Clock

from .database import Database
from .metrics_answer import PERCENTILES, ClockTimes, RequestMetrics, Times, dump_metrics
from .metrics_buckets import add_row
from .metrics_figures import Figures
from .metrics_levels import INTERVALS_S, Range, Read, check_asked, check_size, derive_range, floor_to, plan_reads
from .metrics_prune import Retention, delete_metrics, prune_metrics
from .metrics_rollup import load_levels, roll_up
from .metrics_rows import WHOLE, BucketRow, SeriesRow
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
_Cells = dict[tuple[int, str], Figures]  # start of the bucket, clock


@dataclass(frozen=True, slots=True)
class _Filter:
    """Whose requests; None is all."""

    deployment: str
    version: int | None
    replica: str | None
    status: str | None


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

    Counts, averages and maxima are exact, percentiles within 0.5 %. The first and the last bucket hold only what lies
    in the range. `status` is a class such as `5xx`. Where minutes are too old to be kept, the range and the interval
    of the answer are wider than asked. Raise Invalid for an unknown interval or status, a range that ends before it
    starts, or more than MAX_BUCKETS buckets.
    """
    _check(start_at, end_at, interval_s, status)
    with db.read():
        levels = load_levels(db)
        wanted = derive_range(start_at.timestamp(), end_at.timestamp(), interval_s, levels)
        check_size(wanted, MAX_BUCKETS, "buckets")
        whose = _Filter(deployment, version, replica, status)
        cells = _load_cells(db, plan_reads(wanted, levels), whose, wanted.interval_s)
    return _make_answer(wanted, cells)


def _check(start_at: datetime, end_at: datetime, interval_s: int, status: str | None) -> None:
    check_asked(start_at, end_at, interval_s, INTERVALS_S)
    if status is not None and not re.fullmatch(r"[0-9]xx", status):
        raise Invalid(f"the status {status!r} is not a class such as 2xx or 5xx", "status")


def _load_cells(db: Database, reads: Iterable[Read], whose: _Filter, interval_s: int) -> _Cells:
    cells: _Cells = {}
    for read in reads:
        for at, clock, *columns in _select(db, read, whose):
            add_row(cells.setdefault((floor_to(at, interval_s), clock), Figures()), columns)
    return cells


def _select(db: Database, read: Read, whose: _Filter) -> Iterable[tuple[Any, ...]]:
    """Yield at, clock, count, sum, least, greatest and digest of the buckets in `read`."""
    bucket = BucketRow
    query = (
        bucket.select(bucket.at, SeriesRow.clock, bucket.count, bucket.sum_s, bucket.min_s, bucket.max_s, bucket.digest)
        .join(SeriesRow, on=SeriesRow.id == bucket.series)
        .where(_matches(whose))
        .where(bucket.step == read.step_s, bucket.at >= read.start, bucket.at < read.end)
    )
    return query.tuples().execute(db.peewee)  # type: ignore[no-any-return]


def _matches(whose: _Filter) -> peewee.Expression:
    """Return the condition on series: the sums over replicas and statuses are read when neither is asked for."""
    where = SeriesRow.deployment == whose.deployment
    if whose.version is not None:
        where &= SeriesRow.version == whose.version
    if whose.replica is None and whose.status is None:
        return where & (SeriesRow.status == WHOLE)
    if whose.replica is not None:
        where &= SeriesRow.replica == whose.replica
    return where & (SeriesRow.status != WHOLE if whose.status is None else SeriesRow.status == whose.status)


def _make_answer(wanted: Range, cells: _Cells) -> RequestMetrics:
    total = {clock: _sum(figures for (_, name), figures in cells.items() if name == clock) for clock in Clock}
    starts = wanted.bucket_starts()
    buckets = ({clock: cells.get((start, clock.value)) for clock in Clock} for start in starts)
    return RequestMetrics(
        start_at=_at(wanted.start),
        end_at=_at(wanted.end),
        interval_s=wanted.interval_s,
        total=_derive_clocks(total),
        buckets=tuple((_at(start), _derive_clocks(bucket)) for start, bucket in zip(starts, buckets, strict=True)),
    )


def _sum(parts: Iterable[Figures]) -> Figures:
    whole = Figures()
    for part in parts:
        whole.add_all(part)
    return whole


def _derive_clocks(figures: Mapping[Clock, Figures | None]) -> ClockTimes:
    return {clock: _derive_times(value) for clock, value in figures.items()}


def _derive_times(figures: Figures | None) -> Times:
    if figures is None or not figures.count:
        return Times()
    quantiles: Sequence[float] | None = figures.quantiles(_POINTS)
    percentiles = None if quantiles is None else tuple(quantiles)
    return Times(figures.count, figures.sum_s / figures.count, figures.max_s, percentiles)


def _at(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
