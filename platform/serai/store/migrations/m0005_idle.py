"""Step 5: whether a deployment is idle."""

from __future__ import annotations

import peewee


def apply(engine: peewee.Database) -> None:
    kind = (
        "INTEGER NOT NULL DEFAULT 0" if isinstance(engine, peewee.SqliteDatabase) else "BOOLEAN NOT NULL DEFAULT FALSE"
    )
    engine.execute_sql(f"ALTER TABLE deployment ADD COLUMN is_idle {kind}")
