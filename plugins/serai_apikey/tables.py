"""The tables of keys, as SQL that is applied once and as peewee models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import peewee

from serai.domain.errors import PluginError
from serai.plugin import PluginDatabase

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# A step that was released is never changed; the next one is added behind it.
_STEPS = (
    """
    CREATE TABLE apikey (
        id {auto},
        name TEXT NOT NULL,
        owner TEXT NOT NULL,
        reach TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        created_by TEXT NOT NULL,
        expires_at BIGINT
    );
    CREATE TABLE apikey_deployment (
        apikey_id BIGINT NOT NULL REFERENCES apikey (id) ON DELETE CASCADE,
        deployment TEXT NOT NULL,
        born_at BIGINT NOT NULL,
        PRIMARY KEY (apikey_id, deployment)
    );
    CREATE TABLE apikey_secret (
        id {auto},
        apikey_id BIGINT NOT NULL REFERENCES apikey (id) ON DELETE CASCADE,
        prefix TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        created_at BIGINT NOT NULL,
        ends_at BIGINT,
        last_used_at BIGINT
    );
    CREATE INDEX apikey_secret_of ON apikey_secret (apikey_id)
    """,
)


class InstantField(peewee.BigIntegerField):
    """An aware UTC datetime as whole microseconds since 1970."""

    def db_value(self, value: datetime | None) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def python_value(self, value: int | None) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class KeyRow(peewee.Model):
    id = peewee.BigAutoField()
    name = peewee.TextField()
    owner = peewee.TextField()
    reach = peewee.TextField()  # "owner" or "named"
    created_at = InstantField()
    created_by = peewee.TextField()
    expires_at = InstantField(null=True)

    class Meta:
        table_name = "apikey"


class DeploymentRow(peewee.Model):
    """A deployment that a key names. `born_at` tells it from a later one that has its name."""

    apikey_id = peewee.BigIntegerField()
    deployment = peewee.TextField()
    born_at = InstantField()

    class Meta:
        table_name = "apikey_deployment"
        primary_key = peewee.CompositeKey("apikey_id", "deployment")


class SecretRow(peewee.Model):
    id = peewee.BigAutoField()
    apikey_id = peewee.BigIntegerField()
    prefix = peewee.TextField()
    hash = peewee.TextField()  # SHA-256 of the secret, hexadecimal
    created_at = InstantField()
    ends_at = InstantField(null=True)
    last_used_at = InstantField(null=True)

    class Meta:
        table_name = "apikey_secret"


class StepRow(peewee.Model):
    number = peewee.IntegerField(primary_key=True)

    class Meta:
        table_name = "apikey_step"


def migrate(database: PluginDatabase) -> None:
    """Bring the tables up to date. Raise PluginError where a newer version of the plugin wrote them."""
    engine = database.peewee
    with database.write():
        engine.execute_sql("CREATE TABLE IF NOT EXISTS apikey_step (number INTEGER NOT NULL PRIMARY KEY)")
        applied = int(StepRow.select(peewee.fn.COUNT(StepRow.number)).scalar(engine) or 0)
        if applied > len(_STEPS):
            raise PluginError(f"the tables of keys are at step {applied}, this Serai knows {len(_STEPS)}; update it")
        for number, step in enumerate(_STEPS[applied:], applied + 1):
            _apply(engine, step)
            StepRow.insert(number=number).execute(engine)


def _apply(engine: peewee.Database, step: str) -> None:
    is_sqlite = isinstance(engine, peewee.SqliteDatabase)
    # AUTOINCREMENT: the number of a key in the timeline must not come to mean another key.
    auto = "INTEGER PRIMARY KEY AUTOINCREMENT" if is_sqlite else "BIGSERIAL PRIMARY KEY"
    for statement in step.format(auto=auto).split(";"):
        engine.execute_sql(statement)
