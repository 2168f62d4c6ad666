"""What requests of a range split into: the replicas that they reached, and their counts by status class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

import peewee

from serai.domain.window import Clock

from .database import Database
from .metrics_levels import Range, Read, derive_range, floor_to, plan_reads
from .metrics_rollup import load_levels
from .metrics_rows import EVERY_REPLICA, EVERY_STATUS, BucketRow, SeriesRow


def list_replicas(
    db: Database, deployment: str, start_at: datetime, end_at: datetime, version: int | None = None
) -> list[tuple[int, str]]:
    """Return the replicas (version, name) that requests of [start_at, end_at) reached, of the newest version first.

    Those of version 0 or replica "" reached none. The range is widened as `load_requests` widens it.
    """
    with db.read():
        _, reads = _plan(db, start_at, end_at, 60)
        found = {owner for read in reads for owner in _find_owners(db, read, deployment, version)}
    return sorted(found, key=lambda owner: (-owner[0], owner[1]))


def count_by_status(
    db: Database,
    deployment: str,
    start_at: datetime,
    end_at: datetime,
    interval_s: int,
    version: int | None = None,
    replica: str | None = None,
) -> dict[str, tuple[int, ...]]:
    """Return the counts of each status class that occurs, in the buckets that `load_requests` answers."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    with db.read():
        wanted, reads = _plan(db, start_at, end_at, interval_s)
        whose = EVERY_REPLICA if replica is None else replica
        where = _of(deployment, version) & (SeriesRow.replica == whose) & (SeriesRow.status != EVERY_STATUS)
        for read in reads:
            for status, at, count in _sum_counts(db, read, where):
                counts[status][floor_to(at, wanted.interval_s)] += count
    return {status: tuple(counts[status][at] for at in wanted.bucket_starts()) for status in sorted(counts)}


def _plan(db: Database, start_at: datetime, end_at: datetime, interval_s: int) -> tuple[Range, list[Read]]:
    levels = load_levels(db)
    wanted = derive_range(start_at.timestamp(), end_at.timestamp(), interval_s, levels)
    return wanted, plan_reads(wanted, levels)


def _of(deployment: str, version: int | None) -> peewee.Expression:
    """Return the condition on series: of the clock that every request has."""
    where = (SeriesRow.deployment == deployment) & (SeriesRow.clock == Clock.TOTAL.value)
    return where if version is None else where & (SeriesRow.version == version)


def _within(read: Read) -> peewee.Expression:
    return (BucketRow.step == read.step_s) & (BucketRow.at >= read.start) & (BucketRow.at < read.end)


def _find_owners(db: Database, read: Read, deployment: str, version: int | None) -> Iterable[tuple[int, str]]:
    seen = BucketRow.select(peewee.SQL("1")).where(BucketRow.series == SeriesRow.id, _within(read))
    query = SeriesRow.select(SeriesRow.version, SeriesRow.replica).distinct()
    where = _of(deployment, version) & (SeriesRow.replica != EVERY_REPLICA) & (SeriesRow.status == EVERY_STATUS)
    return query.where(where, peewee.fn.EXISTS(seen)).tuples().execute(db.peewee)  # type: ignore[no-any-return]


def _sum_counts(db: Database, read: Read, where: peewee.Expression) -> Iterable[tuple[str, int, int]]:
    total = peewee.fn.SUM(BucketRow.count).cast("BIGINT")  # PostgreSQL sums these up to a number with a point
    query = BucketRow.select(SeriesRow.status, BucketRow.at, total).join(SeriesRow, on=SeriesRow.id == BucketRow.series)
    query = query.where(where, _within(read)).group_by(SeriesRow.status, BucketRow.at)
    return query.tuples().execute(db.peewee)  # type: ignore[no-any-return]
