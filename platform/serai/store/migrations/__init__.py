"""Bring a database's tables up to date, one numbered step after the other.

To add a step: write `m<number>_<what>.py` with `apply(engine)` in plain SQL (never rows.py, which goes on changing),
add it at the end of MIGRATIONS, change rows.py, and add a test that data of the step before is kept. A step that was
released is never changed. All steps are applied to every database, so that intent and metrics may share one or not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import peewee

from serai.domain.errors import SeraiError

from . import (
    m0001_intent,
    m0002_metrics,
    m0003_usage,
    m0004_accounts,
    m0005_idle,
    m0006_resets,
    m0007_traffic,
    m0008_gateways,
    m0009_sums,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Migration:
    """A step: `apply` runs inside of a transaction and leaves the tables as the next step and rows.py expect them."""

    number: int
    name: str
    apply: Callable[[peewee.Database], None]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "intent", m0001_intent.apply),
    Migration(2, "metrics", m0002_metrics.apply),
    Migration(3, "usage", m0003_usage.apply),
    Migration(4, "accounts", m0004_accounts.apply),
    Migration(5, "idle", m0005_idle.apply),
    Migration(6, "resets", m0006_resets.apply),
    Migration(7, "traffic", m0007_traffic.apply),
    Migration(8, "gateways", m0008_gateways.apply),
    Migration(9, "sums", m0009_sums.apply),
)

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)
"""


def find_missing(engine: peewee.Database, migrations: Sequence[Migration], where: str) -> list[Migration]:
    """Return the steps that the database lacks, in order. Raise SeraiError if it has steps unknown here."""
    applied: set[int] = set()
    if engine.table_exists("migration"):
        applied = {number for (number,) in engine.execute_sql("SELECT number FROM migration").fetchall()}
    known = max(migration.number for migration in migrations)
    if max(applied, default=0) > known:
        raise SeraiError(
            f"the database {where} was written by a newer Serai (its tables are at step {max(applied)}, this Serai"
            f" knows {known}); install that version again",
            "database-newer",
        )
    return [migration for migration in migrations if migration.number not in applied]


def migrate(engine: peewee.Database, migrations: Sequence[Migration], where: str) -> None:
    """Apply the steps that the database lacks; the caller holds the write lock, under which it looks again."""
    engine.execute_sql(_TABLE)
    for migration in find_missing(engine, migrations, where):
        _apply(engine, migration, where)


def _apply(engine: peewee.Database, migration: Migration, where: str) -> None:
    migration.apply(engine)
    values = (migration.number, migration.name, time.time_ns() // 1000)
    mark = engine.param
    engine.execute_sql(f"INSERT INTO migration (number, name, applied_at) VALUES ({mark}, {mark}, {mark})", values)  # noqa: S608
    log.info("%s: tables brought to step %d (%s)", where, migration.number, migration.name)
