"""Sum finer buckets up into coarser ones once their time has passed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from .database import Database
from .metrics_buckets import BucketKey, add_row, in_batches, put_buckets
from .metrics_figures import Figures
from .metrics_levels import MINUTE_S, STEPS_S, Level, floor_to
from .metrics_rows import BucketRow, LevelRow, SeriesRow

LATENESS_S = 60.0
"""How long a coarse bucket waits for windows after its end; those that come later are added one by one."""
_BATCH = 200  # series of a statement


def load_levels(db: Database) -> list[Level]:
    """Return the levels, finest first. Inside of a read or write."""
    rows = LevelRow.select().order_by(LevelRow.step).tuples().execute(db.peewee)
    return [
        Level(step_s, kept_from, math.inf if step_s == MINUTE_S else rolled_until)
        for step_s, kept_from, rolled_until in rows
    ]


def roll_up(db: Database, now: datetime) -> int:
    """Sum up the coarse buckets whose time has passed; return how many were written.

    Answers do not depend on it, only their speed does. Cheap when there is nothing to do: call it every minute or so,
    from one server or from all.
    """
    until = now.timestamp() - LATENESS_S
    return sum(_roll_level(db, finer, coarser, floor_to(until, coarser)) for finer, coarser in pairwise(STEPS_S))


def series_batches(db: Database) -> Iterator[Sequence[int]]:
    """Yield the ids of all series in slices that fit into a statement. Inside of a read or write."""
    numbers = [number for (number,) in SeriesRow.select(SeriesRow.id).tuples().execute(db.peewee)]
    return in_batches(numbers, _BATCH)


def _roll_level(db: Database, finer: int, coarser: int, until: int) -> int:
    if _rolled_until(db, coarser) >= until:
        return 0
    with db.write():
        since = _rolled_until(db, coarser)  # again, now that nobody else can be at it
        buckets = [_sum_up(db, batch, finer, coarser, (since, until)) for batch in series_batches(db)]
        for batch in buckets:
            put_buckets(db, batch)
        LevelRow.update(rolled_until=max(since, until)).where(LevelRow.step == coarser).execute(db.peewee)
    return sum(map(len, buckets))


def _rolled_until(db: Database, step_s: int) -> int:
    with db.read():
        return int(next(level.rolled_until for level in load_levels(db) if level.step_s == step_s))


def _sum_up(
    db: Database, series: Sequence[int], finer: int, coarser: int, span: tuple[int, int]
) -> dict[BucketKey, Figures]:
    row = BucketRow
    query = row.select(row.series, row.at, row.count, row.sum_s, row.min_s, row.max_s, row.digest).where(
        row.series.in_(series), row.step == finer, row.at >= span[0], row.at < span[1]
    )
    sums: dict[BucketKey, Figures] = defaultdict(Figures)
    for number, at, *columns in query.tuples().execute(db.peewee):
        add_row(sums[number, coarser, floor_to(at, coarser)], columns)
    return sums
