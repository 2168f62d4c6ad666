"""Sum samples up into coarser buckets once their time has passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from .database import Database
from .metrics_levels import floor_to
from .metrics_rollup import LATENESS_S
from .usage_buckets import USAGE_STEPS_S, UsageKey, load_usage_levels, put_usage, usage_series_batches
from .usage_figures import UsageFigures, decode
from .usage_rows import UsageBucketRow, UsageLevelRow


def roll_up_usage(db: Database, now: datetime) -> int:
    """Sum up the coarse buckets whose time has passed; return how many were written. Cheap when there is none."""
    until = now.timestamp() - LATENESS_S
    return sum(_roll_level(db, finer, coarser, floor_to(until, coarser)) for finer, coarser in pairwise(USAGE_STEPS_S))


def _roll_level(db: Database, finer: int, coarser: int, until: int) -> int:
    if _rolled_until(db, coarser) >= until:
        return 0
    with db.write():
        since = _rolled_until(db, coarser)  # again, now that nobody else can be at it
        buckets = [_sum_up(db, batch, finer, coarser, (since, until)) for batch in usage_series_batches(db)]
        for batch in buckets:
            put_usage(db, batch, replace=True)
        level = UsageLevelRow.step == coarser
        UsageLevelRow.update(rolled_until=max(since, until)).where(level).execute(db.peewee)
    return sum(map(len, buckets))


def _rolled_until(db: Database, step_s: int) -> int:
    with db.read():
        return int(next(level.rolled_until for level in load_usage_levels(db) if level.step_s == step_s))


def _sum_up(
    db: Database, series: Sequence[int], finer: int, coarser: int, span: tuple[int, int]
) -> dict[UsageKey, UsageFigures]:
    row = UsageBucketRow
    query = row.select(row.series, row.at, row.figures).where(
        row.series.in_(series), row.step == finer, row.at >= span[0], row.at < span[1]
    )
    sums: dict[UsageKey, UsageFigures] = defaultdict(UsageFigures)
    for number, at, figures in query.tuples().execute(db.peewee):
        sums[number, coarser, floor_to(at, coarser)].add_all(decode(figures))
    return sums
