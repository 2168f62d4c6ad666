"""The tables of the metrics as peewee models: columns and nothing else. Bound to no database; see `Database`."""

from __future__ import annotations

import peewee

from .rows import Row

EVERY_STATUS = ""
EVERY_REPLICA = " "
"""What series of sums have in place of a status and of a replica, none of which is called so."""


class SeriesRow(Row):
    """What buckets are of: a replica or EVERY_REPLICA, a status such as `2xx` or EVERY_STATUS, and a Clock's value."""

    id = peewee.BigAutoField()
    deployment = peewee.TextField()
    version = peewee.IntegerField()
    replica = peewee.TextField()
    status = peewee.TextField()
    clock = peewee.TextField()

    class Meta:
        table_name = "metric_series"


class BucketRow(Row):
    """Figures of a series from `at` (epoch seconds, a multiple of `step`) for `step` seconds."""

    series = peewee.BigIntegerField()
    step = peewee.IntegerField()
    at = peewee.BigIntegerField()
    count = peewee.BigIntegerField()
    sum_s = peewee.DoubleField()
    min_s = peewee.DoubleField()
    max_s = peewee.DoubleField()
    digest = peewee.BlobField()  # metrics_figures.encode_digest
    bytes_in = peewee.BigIntegerField()  # 0 but for the clock TOTAL
    bytes_out = peewee.BigIntegerField()

    class Meta:
        table_name = "metric_bucket"
        primary_key = peewee.CompositeKey("series", "step", "at")


class LevelRow(Row):
    """A Level of metrics_levels.py."""

    step = peewee.IntegerField(primary_key=True)
    kept_from = peewee.BigIntegerField()
    rolled_until = peewee.BigIntegerField()
    rolling_until = peewee.BigIntegerField()
    next_series = peewee.BigIntegerField()

    class Meta:
        table_name = "metric_level"


class TakenRow(Row):
    """Numbers of a gateway's windows that were taken, `first` to `last`; one row unless they came out of order."""

    gateway = peewee.TextField()
    first = peewee.BigIntegerField()
    last = peewee.BigIntegerField()

    class Meta:
        table_name = "metric_taken"
        primary_key = peewee.CompositeKey("gateway", "first")
