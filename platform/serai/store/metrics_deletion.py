"""Delete many buckets in short transactions, so that others read and write in between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeAlias

import peewee

from .database import Database
from .metrics_rows import BucketRow, SeriesRow
from .usage_rows import UsageBucketRow, UsageSeriesRow

Buckets: TypeAlias = type[BucketRow] | type[UsageBucketRow]
Owners: TypeAlias = type[SeriesRow] | type[UsageSeriesRow]

PAUSE_S = 0.005
"""Between two transactions of long work: who waits for the lock gets it only if it is free for a moment."""
_ROWS = 5000  # of a transaction: some hundredths of a second


def delete_before(
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


def delete_empty_series(db: Database, buckets: Buckets, owners: Owners) -> None:
    """Delete series without buckets."""
    used = buckets.select(peewee.SQL("1")).where(buckets.series == owners.id)
    with db.read():  # nearly always there are none, and nobody has to wait
        query = owners.select(owners.id).where(~peewee.fn.EXISTS(used))
        empty = [number for (number,) in query.tuples().execute(db.peewee)]
    for first in range(0, len(empty), 200):
        with db.write():
            ours = owners.id.in_(empty[first : first + 200]) & ~peewee.fn.EXISTS(used)
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
