"""Forget samples: what is older than its level keeps, and what belonged to a deleted version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .database import Database
from .metrics_deletion import delete_old, delete_series
from .metrics_prune import Retention, raise_floors
from .usage_buckets import SAMPLE_S, USAGE_STEPS_S, load_usage_levels
from .usage_rows import UsageBucketRow, UsageLevelRow, UsageSeriesRow

KEEP_S: Mapping[int, float] = {SAMPLE_S: 86400.0, **Retention().keep_s}
"""Seconds that buckets are kept, by their step: those of requests, and single samples for a day."""


def prune_usage(db: Database, now: datetime, keep_s: Mapping[int, float] = KEEP_S) -> int:
    """Delete what is older than its level keeps, and series without samples; return how many buckets went.

    Others read and write meanwhile.
    """
    with db.write():
        levels = raise_floors(load_usage_levels(db), now.timestamp(), keep_s)
        for level in levels:
            row = UsageLevelRow.step == level.step_s
            UsageLevelRow.update(kept_from=level.kept_from).where(row).execute(db.peewee)
    return delete_old(db, UsageBucketRow, UsageSeriesRow, levels)


def delete_usage(db: Database, deployment: str, version: int | None = None) -> None:
    """Delete all samples of a version, or of all versions of the deployment. Others read and write meanwhile."""
    delete_series(db, UsageBucketRow, UsageSeriesRow, USAGE_STEPS_S, deployment, version)
