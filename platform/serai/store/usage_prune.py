"""Forget samples: what is older than its level keeps, and what belonged to a deleted version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import peewee

from .database import Database
from .metrics_levels import Level
from .metrics_prune import raise_floors
from .usage_buckets import load_usage_levels, usage_series_batches
from .usage_rows import UsageBucketRow, UsageLevelRow, UsageSeriesRow

_DAY_S = 86400.0
KEEP_S: Mapping[int, float] = {
    10: 1 * _DAY_S,
    60: 7 * _DAY_S,
    900: 60 * _DAY_S,
    3600: 400 * _DAY_S,
    86400: 3660 * _DAY_S,
}
"""Seconds that buckets are kept, by their step: those of requests, and single samples for a day."""


def prune_usage(db: Database, now: datetime, keep_s: Mapping[int, float] = KEEP_S) -> int:
    """Delete what is older than its level keeps, and series without samples; return how many buckets went."""
    with db.write():
        levels = raise_floors(load_usage_levels(db), now.timestamp(), keep_s)
        for level in levels:
            row = UsageLevelRow.step == level.step_s
            UsageLevelRow.update(kept_from=level.kept_from).where(row).execute(db.peewee)
    pruned = sum(_delete_before(db, level) for level in levels)
    with db.write():
        _delete_empty_series(db)
    return pruned


def delete_usage(db: Database, deployment: str, version: int | None = None) -> None:
    """Delete all samples of a version, or of all versions of the deployment."""
    ours = UsageSeriesRow.deployment == deployment
    if version is not None:
        ours &= UsageSeriesRow.version == version
    with db.write():
        series = UsageSeriesRow.select(UsageSeriesRow.id).where(ours)
        UsageBucketRow.delete().where(UsageBucketRow.series.in_(series)).execute(db.peewee)
        UsageSeriesRow.delete().where(ours).execute(db.peewee)


def _delete_before(db: Database, level: Level) -> int:
    with db.read():
        batches = list(usage_series_batches(db))
    deleted = 0
    for batch in batches:
        with db.write():
            old = (UsageBucketRow.step == level.step_s) & (UsageBucketRow.at < level.kept_from)
            deleted += UsageBucketRow.delete().where(UsageBucketRow.series.in_(batch), old).execute(db.peewee)
    return deleted


def _delete_empty_series(db: Database) -> None:
    used = UsageBucketRow.select(1).where(UsageBucketRow.series == UsageSeriesRow.id)
    UsageSeriesRow.delete().where(~peewee.fn.EXISTS(used)).execute(db.peewee)
