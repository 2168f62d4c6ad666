"""The tables as peewee models: columns and nothing else. Bound to no database; see `Database`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import peewee

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(at: datetime) -> int:
    """Return an aware instant as microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    return _EPOCH + value * _MICROSECOND


class InstantField(peewee.BigIntegerField):
    """An aware UTC datetime as whole microseconds since 1970: exact, ordered, the same on every database."""

    def db_value(self, value: datetime | None) -> int | None:
        return None if value is None else to_microseconds(value)

    def python_value(self, value: int | None) -> datetime | None:
        return None if value is None else from_microseconds(value)


class Row(peewee.Model):
    class Meta:
        legacy_table_names = False


class MetaRow(Row):
    """Facts about this database itself, such as the salt of its secrets' fingerprints."""

    key = peewee.TextField(primary_key=True)
    value = peewee.TextField()

    class Meta:
        table_name = "meta"


class GatewayRow(Row):
    id = peewee.TextField(primary_key=True)

    class Meta:
        table_name = "gateway"


class DeploymentRow(Row):
    name = peewee.TextField(primary_key=True)
    owner = peewee.TextField()
    settings = peewee.TextField()  # JSON of dump_settings
    created_at = InstantField()
    changed_at = InstantField()
    active = peewee.IntegerField(null=True)
    incumbent = peewee.IntegerField(null=True)
    handing = peewee.TextField(null=True)
    revision = peewee.IntegerField()
    is_idle = peewee.BooleanField(default=False)

    class Meta:
        table_name = "deployment"


class NumberingRow(Row):
    """The highest version number ever used under a deployment's name, and its revision at its last deletion."""

    deployment = peewee.TextField(primary_key=True)
    last = peewee.IntegerField()
    revision = peewee.IntegerField()

    class Meta:
        table_name = "numbering"


class VersionRow(Row):
    deployment = peewee.TextField()
    number = peewee.IntegerField()
    spec = peewee.TextField()  # encode_spec
    spec_digest = peewee.TextField()
    created_at = InstantField()
    created_by = peewee.TextField()
    run = peewee.IntegerField()
    ready_run = peewee.IntegerField()  # the last run that was ever ready
    started_at = InstantField(null=True)
    outcome = peewee.TextField(null=True)  # JSON of a Reason
    stage = peewee.TextField(null=True)
    stage_since = InstantField(null=True)

    class Meta:
        table_name = "version"
        primary_key = peewee.CompositeKey("deployment", "number")


class SecretRow(Row):
    """A secret's value; it is in no other table."""

    deployment = peewee.TextField()
    version = peewee.IntegerField()
    name = peewee.TextField()
    value = peewee.TextField()

    class Meta:
        table_name = "secret"
        primary_key = peewee.CompositeKey("deployment", "version", "name")


class EventRow(Row):
    id = peewee.BigAutoField()
    at = InstantField()
    kind = peewee.TextField()
    deployment = peewee.TextField()
    version = peewee.IntegerField(null=True)
    replica = peewee.TextField()
    text = peewee.TextField()
    actor = peewee.TextField()

    class Meta:
        table_name = "event"


class TokenRow(Row):
    id = peewee.BigAutoField()
    name = peewee.TextField()
    login = peewee.TextField()
    permissions = peewee.TextField()  # separated by spaces
    prefix = peewee.TextField()
    hash = peewee.TextField(unique=True)  # SHA-256 of the plaintext, hexadecimal
    created_at = InstantField()
    expires_at = InstantField(null=True)
    last_used_at = InstantField(null=True)
    kind = peewee.TextField()  # as TokenKind: "personal", or "session" or "login" for one that a sign-in made

    class Meta:
        table_name = "token"
