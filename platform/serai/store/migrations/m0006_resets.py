"""Step 6: addresses at which a password is set, once."""

from __future__ import annotations

import peewee

_STATEMENT = """
CREATE TABLE password_reset (
    login TEXT NOT NULL PRIMARY KEY REFERENCES account (login) ON DELETE CASCADE,
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL
)
"""


def apply(engine: peewee.Database) -> None:
    engine.execute_sql(_STATEMENT)
