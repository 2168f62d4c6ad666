"""Sum finer buckets up into coarser ones once their time has passed, some series at a time."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from .database import Database
from .metrics_buckets import FIGURES, BucketKey, put_buckets
from .metrics_deletion import PAUSE_S, find_oldest
from .metrics_figures import Figures
from .metrics_levels import MINUTE_S, STEPS_S, Level, floor_to
from .metrics_rows import BucketRow, LevelRow, SeriesRow

LATENESS_S = 60.0
"""How long a coarse bucket waits for windows after its end; those that come later are added one by one."""
_BATCH = 200  # series of a statement
_ROWS = 4000  # of a transaction: a tenth of a second


def load_levels(db: Database) -> list[Level]:
    """Return the levels, finest first. Inside of a read or write."""
    row = LevelRow
    columns = (row.step, row.kept_from, row.rolled_until, row.rolling_until, row.next_series)
    rows = row.select(*columns).order_by(row.step).tuples().execute(db.peewee)
    return [
        Level(step_s, kept_from, math.inf if step_s == MINUTE_S else rolled_until, *rolling)
        for step_s, kept_from, rolled_until, *rolling in rows
    ]


def roll_up(db: Database, now: datetime) -> int:
    """Sum up the coarse buckets whose time has passed; return how many were written.

    Answers do not depend on it, only their speed does. Cheap when there is nothing to do: call it every minute or so,
    from one server or from all. One that was cut off goes on where it was.
    """
    until = now.timestamp() - LATENESS_S
    return sum(_roll_level(db, finer, coarser, floor_to(until, coarser)) for finer, coarser in pairwise(STEPS_S))


def _roll_level(db: Database, finer: int, coarser: int, until: int) -> int:
    written = 0
    with db.read():
        level = _load_level(db, coarser)
    while level.next_series or level.rolled_until < until:
        with db.write():
            level = _load_level(db, coarser)  # again, now that nobody else can be at it
            if not level.next_series and level.rolled_until < until:
                level = Level(coarser, level.kept_from, _find_since(db, level, finer, until), until, 1)
            if level.next_series:
                level, count = _roll_some(db, finer, level)
                written += count
        if level.next_series:
            time.sleep(PAUSE_S)
    return written


def _load_level(db: Database, step_s: int) -> Level:
    return next(level for level in load_levels(db) if level.step_s == step_s)


def _find_since(db: Database, level: Level, finer: int, until: int) -> float:
    """Return from when on there is anything to sum up; the first time that is the oldest bucket."""
    if level.rolled_until:
        return level.rolled_until
    oldest = find_oldest(db, BucketRow, SeriesRow, finer)
    return until if oldest is None else min(until, floor_to(oldest, level.step_s))


def _roll_some(db: Database, finer: int, level: Level) -> tuple[Level, int]:
    """Sum up the next series; return where that leaves the level, and how many buckets were written."""
    most = _most_series(level, finer)
    series = _load_series(db, level.next_series, most)
    buckets = _sum_up(db, series, finer, level)
    put_buckets(db, buckets)
    if len(series) < most:  # these were the last: all are complete
        level = Level(level.step_s, level.kept_from, level.rolling_until)
    else:
        level = Level(level.step_s, level.kept_from, level.rolled_until, level.rolling_until, series[-1] + 1)
    _keep(db, level)
    return level, len(buckets)


def _most_series(level: Level, finer: int) -> int:
    """Return how many series make a transaction that is short. After a long pause each has many buckets."""
    each = (level.rolling_until - level.rolled_until) / finer
    return max(1, min(_BATCH, int(_ROWS / max(1, each))))


def _load_series(db: Database, first: int, most: int) -> list[int]:
    query = SeriesRow.select(SeriesRow.id).where(SeriesRow.id >= first).order_by(SeriesRow.id).limit(most)
    return [number for (number,) in query.tuples().execute(db.peewee)]


def _keep(db: Database, level: Level) -> None:
    columns = {
        LevelRow.rolled_until: level.rolled_until,
        LevelRow.rolling_until: level.rolling_until,
        LevelRow.next_series: level.next_series,
    }
    LevelRow.update(columns).where(LevelRow.step == level.step_s).execute(db.peewee)


def _sum_up(db: Database, series: Sequence[int], finer: int, level: Level) -> dict[BucketKey, Figures]:
    row, coarser = BucketRow, level.step_s
    query = row.select(row.series, row.at, *FIGURES).where(
        row.series.in_(series), row.step == finer, row.at >= level.rolled_until, row.at < level.rolling_until
    )
    sums: dict[BucketKey, Figures] = defaultdict(Figures)
    for number, at, *columns in query.tuples().execute(db.peewee):
        sums[number, coarser, floor_to(at, coarser)].add_stored(*columns)
    return sums
