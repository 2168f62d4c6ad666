"""Step 3: samples of what replicas use, by series and bucket of time."""

from __future__ import annotations

import peewee

# `device` is "" for the replica itself and a GPU's id for one of its GPUs.
_TABLES = """
CREATE TABLE usage_series (
    id {auto},
    deployment TEXT NOT NULL,
    version INTEGER NOT NULL,
    replica TEXT NOT NULL,
    device TEXT NOT NULL,
    model TEXT NOT NULL,
    UNIQUE (deployment, version, replica, device)
);
CREATE TABLE usage_bucket (
    series BIGINT NOT NULL,
    step INTEGER NOT NULL,
    at BIGINT NOT NULL,
    figures {bytes} NOT NULL,
    PRIMARY KEY (series, step, at)
){clustered};
CREATE TABLE usage_level (
    step INTEGER NOT NULL PRIMARY KEY,
    kept_from BIGINT NOT NULL,
    rolled_until BIGINT NOT NULL
);
INSERT INTO usage_level (step, kept_from, rolled_until)
VALUES (10, 0, 0), (60, 0, 0), (900, 0, 0), (3600, 0, 0), (86400, 0, 0)
"""
_SQLITE = {"auto": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB", "clustered": " WITHOUT ROWID"}
_POSTGRES = {"auto": "BIGSERIAL PRIMARY KEY", "bytes": "BYTEA", "clustered": ""}


def apply(engine: peewee.Database) -> None:
    words = _SQLITE if isinstance(engine, peewee.SqliteDatabase) else _POSTGRES
    for statement in _TABLES.format(**words).split(";"):
        engine.execute_sql(statement)
