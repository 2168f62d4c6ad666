"""Versions as they are read: rows to values, one or all."""

from __future__ import annotations

import json

import peewee

from serai.domain.deployment import Progress, Stage, Version
from serai.domain.errors import NotFound
from serai.domain.reasons import Reason
from serai.domain.spec_text import decode_spec

from .database import Database
from .deployments import get_deployment
from .rows import VersionRow


def list_versions(db: Database, name: str) -> list[Version]:
    """Return the versions of a deployment, newest first; raise NotFound if there is no such deployment."""
    with db.read():
        get_deployment(db, name)
        return _load(db, VersionRow.select().where(VersionRow.deployment == name).order_by(VersionRow.number.desc()))


def all_versions(db: Database) -> list[Version]:
    """Return the versions of every deployment, by its name, newest first."""
    return _load(db, VersionRow.select().order_by(VersionRow.deployment, VersionRow.number.desc()))


def get_version(db: Database, name: str, number: int) -> Version:
    """Return a version; raise NotFound, saying whether it is the deployment that is missing."""
    with db.read():
        row = VersionRow.select().where(is_version(name, number)).first(db.peewee)
        if row is None:
            get_deployment(db, name)
            raise NotFound(f"{name} has no version {number}", "version-not-found")
    return _to_version(row)


def is_version(name: str, number: int) -> peewee.Expression:
    return (VersionRow.deployment == name) & (VersionRow.number == number)


def encode_reason(reason: Reason) -> str:
    """Return a reason as ASCII JSON, which every database can hold whatever its log lines are made of."""
    values = {"code": reason.code, "text": reason.text, "help": reason.help, "log": reason.log}
    return json.dumps(values | {"exit_code": reason.exit_code})


def decode_reason(text: str) -> Reason:
    values = json.loads(text)
    return Reason(values["code"], values["text"], values["help"], tuple(values["log"]), values["exit_code"])


def _load(db: Database, query: peewee.ModelSelect[VersionRow]) -> list[Version]:
    with db.read():
        return [_to_version(row) for row in query.execute(db.peewee)]


def _to_version(row: VersionRow) -> Version:
    return Version(
        deployment=row.deployment,
        number=row.number,
        spec=decode_spec(row.spec),
        created_at=row.created_at,
        created_by=row.created_by,
        run=row.run,
        started_at=row.started_at,
        outcome=decode_reason(row.outcome) if row.outcome else None,
        progress=Progress(Stage(row.stage), row.stage_since, row.ready_run == row.run) if row.stage else None,
        spec_digest=row.spec_digest,
    )
