"""Sum samples up into coarser buckets once their time has passed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from .database import Database
from .metrics_deletion import PAUSE_S, series_batches
from .metrics_levels import floor_to
from .metrics_rollup import LATENESS_S
from .usage_buckets import USAGE_STEPS_S, UsageKey, load_usage_levels, put_usage
from .usage_figures import UsageFigures, decode
from .usage_rows import UsageBucketRow, UsageLevelRow, UsageSeriesRow


def roll_up_usage(db: Database, now: datetime) -> int:
    """Sum up the coarse buckets whose time has passed; return how many were written. Cheap when there is none.

    Some series at a time, so that others write in between: samples do not come late, and what was summed up before a
    roll-up was cut off is summed up to the same again.
    """
    until = now.timestamp() - LATENESS_S
    return sum(_roll_level(db, finer, coarser, floor_to(until, coarser)) for finer, coarser in pairwise(USAGE_STEPS_S))


def _roll_level(db: Database, finer: int, coarser: int, until: int) -> int:
    with db.read():
        since = _rolled_until(db, coarser)
        batches = list(series_batches(db, UsageSeriesRow)) if since < until else []
    if since >= until:
        return 0
    written = sum(_roll_some(db, batch, finer, coarser, (since, until)) for batch in batches)
    with db.write():
        rolled_until = max(until, _rolled_until(db, coarser))
        UsageLevelRow.update(rolled_until=rolled_until).where(UsageLevelRow.step == coarser).execute(db.peewee)
    return written


def _roll_some(db: Database, series: Sequence[int], finer: int, coarser: int, span: tuple[int, int]) -> int:
    with db.write():  # nobody deletes a series between its sums and their row
        buckets = _sum_up(db, series, finer, coarser, span)
        put_usage(db, buckets, replace=True)
    time.sleep(PAUSE_S)
    return len(buckets)


def _rolled_until(db: Database, step_s: int) -> int:
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
