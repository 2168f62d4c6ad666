"""Step 1: deployments, versions, secrets, events, tokens."""

from __future__ import annotations

import secrets

import peewee

# `numbering` outlives its deployment: no version number and no revision is used twice under a name, so that what a
# deleted version left behind (replicas still draining, late metrics, old events) is never taken for a new one's.
_TABLES = """
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE deployment (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    active INTEGER,
    incumbent INTEGER,
    handing TEXT,
    revision INTEGER NOT NULL
);
CREATE TABLE numbering (
    deployment TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL,
    revision INTEGER NOT NULL
);
CREATE TABLE version (
    deployment TEXT NOT NULL REFERENCES deployment (name) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    spec TEXT NOT NULL,
    spec_digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    run INTEGER NOT NULL,
    ready_run INTEGER NOT NULL,
    started_at BIGINT,
    outcome TEXT,
    stage TEXT,
    stage_since BIGINT,
    PRIMARY KEY (deployment, number)
);
CREATE TABLE secret (
    deployment TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (deployment, version, name),
    FOREIGN KEY (deployment, version) REFERENCES version (deployment, number) ON DELETE CASCADE
);
CREATE TABLE event (
    id {auto},
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    deployment TEXT NOT NULL,
    version INTEGER,
    replica TEXT NOT NULL,
    text TEXT NOT NULL,
    actor TEXT NOT NULL
);
CREATE INDEX event_deployment ON event (deployment, id);
CREATE TABLE token (
    id {auto},
    name TEXT NOT NULL,
    login TEXT NOT NULL,
    permissions TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
)
"""


def apply(engine: peewee.Database) -> None:
    is_sqlite = isinstance(engine, peewee.SqliteDatabase)
    # AUTOINCREMENT: SQLite would give the id of the last row again once that is deleted.
    auto = "INTEGER PRIMARY KEY AUTOINCREMENT" if is_sqlite else "BIGSERIAL PRIMARY KEY"
    for statement in _TABLES.format(auto=auto).split(";"):
        engine.execute_sql(statement)
    salt = secrets.token_hex(32)
    engine.execute_sql(f"INSERT INTO meta (key, value) VALUES ('secret-salt', {engine.param})", (salt,))  # noqa: S608
