"""Forget metrics: what is older than its level keeps, and what belonged to a deleted version."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .database import Database
from .metrics_deletion import delete_old, delete_series
from .metrics_levels import MINUTE_S, STEPS_S, Level, floor_to
from .metrics_rollup import load_levels
from .metrics_rows import BucketRow, LevelRow, SeriesRow

log = logging.getLogger(__name__)

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds that buckets are kept, by their step; coarser ones for at least as long as finer ones."""

    keep_s: Mapping[int, float] = field(
        default_factory=lambda: {MINUTE_S: 7 * _DAY_S, 900: 60 * _DAY_S, 3600: 400 * _DAY_S, 86400: 3650 * _DAY_S}
    )


def prune_metrics(db: Database, now: datetime, retention: Retention | None = None) -> int:
    """Delete what is older than its level keeps, and series without figures; return how many buckets went.

    What is not summed up into the next level yet is kept, whatever its age. Others read and write meanwhile.
    """
    keep_s = (retention or Retention()).keep_s
    with db.write():
        levels = raise_floors(load_levels(db), now.timestamp(), keep_s)
        for level in levels:
            LevelRow.update(kept_from=level.kept_from).where(LevelRow.step == level.step_s).execute(db.peewee)
    pruned = delete_old(db, BucketRow, SeriesRow, levels)
    if pruned:
        log.info("metrics: %d buckets deleted that were older than their level keeps", pruned)
    return pruned


def delete_metrics(db: Database, deployment: str, version: int | None = None) -> None:
    """Delete all figures of a version, or of all versions of the deployment. Others read and write meanwhile."""
    delete_series(db, BucketRow, SeriesRow, STEPS_S, deployment, version)


def raise_floors(levels: list[Level], now: float, keep_s: Mapping[int, float]) -> list[Level]:
    """Return the levels with `kept_from` raised: aligned to the next level's buckets and no further than that has
    come, so that no figure is ever in neither of the two."""
    raised = []
    for level, coarser in zip(levels, [*levels[1:], levels[-1]], strict=True):
        oldest = floor_to(min(now - keep_s[level.step_s], coarser.rolled_until), coarser.step_s)
        raised.append(Level(level.step_s, max(level.kept_from, oldest), level.rolled_until))
    return raised
