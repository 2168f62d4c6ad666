"""Step 2: figures of requests by series and bucket of time, and which windows were taken."""

from __future__ import annotations

import peewee

# A bucket's key is its order on disk where the database can do that: a query reads a few ranges and nothing else.
_TABLES = """
CREATE TABLE metric_series (
    id {auto},
    deployment TEXT NOT NULL,
    version INTEGER NOT NULL,
    replica TEXT NOT NULL,
    status TEXT NOT NULL,
    clock TEXT NOT NULL,
    UNIQUE (deployment, version, replica, status, clock)
);
CREATE TABLE metric_bucket (
    series BIGINT NOT NULL,
    step INTEGER NOT NULL,
    at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    sum_s DOUBLE PRECISION NOT NULL,
    min_s DOUBLE PRECISION NOT NULL,
    max_s DOUBLE PRECISION NOT NULL,
    digest {bytes} NOT NULL,
    PRIMARY KEY (series, step, at)
){clustered};
CREATE TABLE metric_level (
    step INTEGER NOT NULL PRIMARY KEY,
    kept_from BIGINT NOT NULL,
    rolled_until BIGINT NOT NULL
);
INSERT INTO metric_level (step, kept_from, rolled_until) VALUES (60, 0, 0), (900, 0, 0), (3600, 0, 0), (86400, 0, 0);
CREATE TABLE metric_taken (
    gateway TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (gateway, first)
)
"""
_SQLITE = {"auto": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB", "clustered": " WITHOUT ROWID"}
_POSTGRES = {"auto": "BIGSERIAL PRIMARY KEY", "bytes": "BYTEA", "clustered": ""}


def apply(engine: peewee.Database) -> None:
    words = _SQLITE if isinstance(engine, peewee.SqliteDatabase) else _POSTGRES
    for statement in _TABLES.format(**words).split(";"):
        engine.execute_sql(statement)
