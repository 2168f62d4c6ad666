"""Step 4: accounts, teams and their members; tokens know whether they are a sign-in's."""

from __future__ import annotations

import peewee

# What the sign-in pages made before had this name; `kind` tells sign-ins from tokens that people made.
_STATEMENTS = """
CREATE TABLE account (
    login TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT,
    is_disabled INTEGER NOT NULL,
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT
);
CREATE TABLE team (
    name TEXT NOT NULL PRIMARY KEY,
    about TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE membership (
    team TEXT NOT NULL REFERENCES team (name) ON DELETE CASCADE,
    login TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    PRIMARY KEY (team, login)
);
CREATE INDEX membership_of ON membership (login);
ALTER TABLE token ADD COLUMN kind TEXT NOT NULL DEFAULT 'personal';
UPDATE token SET kind = 'session' WHERE name = 'browser session';
CREATE INDEX token_of ON token (login)
"""


def apply(engine: peewee.Database) -> None:
    for statement in _STATEMENTS.split(";"):
        engine.execute_sql(statement)
