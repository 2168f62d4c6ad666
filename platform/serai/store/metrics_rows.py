"""The tables of the metrics as peewee models: columns and nothing else. Bound to no database; see `Database`."""

from __future__ import annotations

import peewee

from .rows import Row

WHOLE = ""
"""Status of the series that sums up all replicas and statuses of a version: the one that most queries read."""


class SeriesRow(Row):
    """What buckets are of. `status` is such as `2xx`, or WHOLE with replica ""; `clock` is a Clock's value."""

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
