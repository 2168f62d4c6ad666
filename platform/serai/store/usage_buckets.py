"""Levels, series and buckets of usage in the database."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .database import Database
from .metrics_buckets import in_batches
from .metrics_levels import Level
from .usage_figures import UsageFigures, encode
from .usage_rows import UsageLevelRow

SAMPLE_S = 10
USAGE_STEPS_S = (SAMPLE_S, 60, 900, 3600, 86400)
UsageKey = tuple[int, int, int]
"""Series, step in seconds, start in epoch seconds."""

_BATCH = 200  # rows of a statement


def load_usage_levels(db: Database) -> list[Level]:
    """Return the levels, finest first. Inside of a read or write."""
    rows = UsageLevelRow.select().order_by(UsageLevelRow.step).tuples().execute(db.peewee)
    return [
        Level(step_s, kept_from, math.inf if step_s == SAMPLE_S else rolled_until)
        for step_s, kept_from, rolled_until in rows
    ]


def put_usage(db: Database, figures: Mapping[UsageKey, UsageFigures], *, replace: bool) -> None:
    """Write buckets; where one is already there, the new one counts only with `replace`. Inside of a write.

    Plain SQL: building this as a peewee query takes longer than running it.
    """
    mark = db.peewee.param
    conflict = "UPDATE SET figures = excluded.figures" if replace else "NOTHING"
    for batch in in_batches(list(figures.items()), _BATCH):
        rows = ", ".join([f"({mark}, {mark}, {mark}, {mark})"] * len(batch))
        db.peewee.execute_sql(
            f"INSERT INTO usage_bucket (series, step, at, figures) VALUES {rows}"  # noqa: S608
            f" ON CONFLICT (series, step, at) DO {conflict}",
            [column for key, value in batch for column in (*key, encode(value))],
        )
