"""Step 8: the gateways that follow the routes, for whom a restarted server waits."""

from __future__ import annotations

import peewee


def apply(engine: peewee.Database) -> None:
    engine.execute_sql("CREATE TABLE gateway (id TEXT NOT NULL PRIMARY KEY)")
