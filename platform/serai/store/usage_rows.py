"""The tables of usage as peewee models: columns and nothing else. Bound to no database; see `Database`."""

from __future__ import annotations

import peewee

from .rows import Row


class UsageSeriesRow(Row):
    """What samples are of: a replica (`device` "") or one of its GPUs, of the kind `model`."""

    id = peewee.BigAutoField()
    deployment = peewee.TextField()
    version = peewee.IntegerField()
    replica = peewee.TextField()
    device = peewee.TextField()
    model = peewee.TextField()

    class Meta:
        table_name = "usage_series"


class UsageBucketRow(Row):
    """Figures of a series from `at` (epoch seconds, a multiple of `step`) for `step` seconds."""

    series = peewee.BigIntegerField()
    step = peewee.IntegerField()
    at = peewee.BigIntegerField()
    figures = peewee.BlobField()  # usage_figures.encode

    class Meta:
        table_name = "usage_bucket"
        primary_key = peewee.CompositeKey("series", "step", "at")


class UsageLevelRow(Row):
    """A Level of metrics_levels.py."""

    step = peewee.IntegerField(primary_key=True)
    kept_from = peewee.BigIntegerField()
    rolled_until = peewee.BigIntegerField()

    class Meta:
        table_name = "usage_level"
