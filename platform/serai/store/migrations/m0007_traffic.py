"""Step 7: bytes of requests and answers, and how far a roll-up that goes on in parts has come."""

from __future__ import annotations

import peewee


def apply(engine: peewee.Database) -> None:
    for table, column in (
        ("metric_bucket", "bytes_in"),
        ("metric_bucket", "bytes_out"),
        ("metric_level", "rolling_until"),
        ("metric_level", "next_series"),
    ):
        engine.execute_sql(f"ALTER TABLE {table} ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0")
