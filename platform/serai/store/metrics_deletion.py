"""Delete many buckets in short transactions, so that others read and write in between."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import peewee

from .database import Database
from .metrics_buckets import in_batches
from .metrics_levels import Level
from .metrics_rows import BucketRow, SeriesRow
from .usage_rows import UsageBucketRow, UsageSeriesRow

Buckets: TypeAlias = type[BucketRow] | type[UsageBucketRow]
Owners: TypeAlias = type[SeriesRow] | type[UsageSeriesRow]

PAUSE_S = 0.005
"""Between two transactions of long work: who waits for the lock gets it only if it is free for a moment."""
_BATCH = 200  # series of a statement
_ROWS = 5000  # of a transaction: some hundredths of a second


def delete_old(db: Database, buckets: Buckets, owners: Owners, levels: Iterable[Level]) -> int:
    """Delete what is older than its level keeps, and series without buckets; return how many buckets went."""
    with db.read():
        batches = list(series_batches(db, owners))
    deleted = sum(
        _delete_before(db, buckets, owners, batch, level.step_s, level.kept_from)
        for level in levels
        for batch in batches
    )
    _delete_empty_series(db, buckets, owners)
    return deleted


def delete_series(
    db: Database, buckets: Buckets, owners: Owners, steps_s: Iterable[int], deployment: str, version: int | None
) -> None:
    """Delete all buckets of a version, or of all versions of the deployment, and their series."""
    ours = owners.deployment == deployment
    if version is not None:
        ours &= owners.version == version
    with db.read():
        batches = list(series_batches(db, owners, ours))
    for batch in batches:
        for step_s in steps_s:
            _delete_before(db, buckets, owners, batch, step_s, math.inf)
    _delete_empty_series(db, buckets, owners)


def series_batches(db: Database, owners: Owners, where: peewee.Expression | None = None) -> Iterator[Sequence[int]]:
    """Yield the ids of series in slices that fit into a statement. Inside of a read or write."""
    query = owners.select(owners.id)
    if where is not None:
        query = query.where(where)
    return in_batches([number for (number,) in query.tuples().execute(db.peewee)], _BATCH)


def _delete_before(
    db: Database, buckets: Buckets, owners: Owners, series: Sequence[int], step_s: int, before: float
) -> int:
    """Delete the buckets of a step that start before `before`, of some series; return how many went."""
    deleted = 0
    length_s = max(1, _ROWS // max(1, len(series))) * step_s
    while (oldest := _read_oldest(db, buckets, owners, step_s, series)) is not None and oldest < before:
        old = (buckets.step == step_s) & (buckets.at < min(before, oldest + length_s))
        with db.write():
            deleted += buckets.delete().where(buckets.series.in_(series), old).execute(db.peewee)
        time.sleep(PAUSE_S)
    return deleted


def _delete_empty_series(db: Database, buckets: Buckets, owners: Owners) -> None:
    used = buckets.select(peewee.SQL("1")).where(buckets.series == owners.id)
    with db.read():  # nearly always there are none, and nobody has to wait
        batches = list(series_batches(db, owners, ~peewee.fn.EXISTS(used)))
    for batch in batches:
        with db.write():
            ours = owners.id.in_(batch) & ~peewee.fn.EXISTS(used)
            owners.delete().where(ours).execute(db.peewee)


def find_oldest(
    db: Database, buckets: Buckets, owners: Owners, step_s: int, series: Sequence[int] | None = None
) -> int | None:
    """Return when the oldest bucket of a step starts, of some series or of all. Inside of a read or write.

    Each series is one look into the key; the least over all rows would read them.
    """
    own = buckets.select(peewee.fn.MIN(buckets.at)).where(buckets.series == owners.id, buckets.step == step_s)
    query = owners.select(own)
    if series is not None:
        query = query.where(owners.id.in_(series))
    return min((first for (first,) in query.tuples().execute(db.peewee) if first is not None), default=None)


def _read_oldest(db: Database, buckets: Buckets, owners: Owners, step_s: int, series: Sequence[int]) -> int | None:
    with db.read():
        return find_oldest(db, buckets, owners, step_s, series)
