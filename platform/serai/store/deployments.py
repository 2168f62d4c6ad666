"""Deployments: named, owned, with settings that change without a new version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from serai.domain.deployment import Deployment, HandoverMode, Settings, Stage
from serai.domain.errors import Conflict, NotFound
from serai.domain.manifest import parse_settings
from serai.domain.spec_text import JsonObject, dump_settings

from .database import Database
from .events import add_event
from .rows import DeploymentRow, NumberingRow, VersionRow


def list_deployments(db: Database) -> list[Deployment]:
    """Return every deployment, by name."""
    with db.read():
        return [_to_deployment(row) for row in DeploymentRow.select().order_by(DeploymentRow.name).execute(db.peewee)]


def get_deployment(db: Database, name: str) -> Deployment:
    """Return the deployment of that name, or raise NotFound."""
    with db.read():
        row = DeploymentRow.select().where(DeploymentRow.name == name).first(db.peewee)
    if row is None:
        raise NotFound(f"no deployment named {name!r}", "deployment-not-found")
    return _to_deployment(row)


def create_deployment(db: Database, name: str, owner: str, settings: Settings, now: datetime, actor: str) -> Deployment:
    """Make a deployment without versions; raise Conflict if the name is taken."""
    with db.write():
        if DeploymentRow.select().where(DeploymentRow.name == name).first(db.peewee):
            raise Conflict(f"there is a deployment named {name!r} already; choose another name", "deployment-exists")
        DeploymentRow.insert(
            name=name,
            owner=owner,
            settings=_encode(settings),
            created_at=now,
            changed_at=now,
            revision=_load_revision(db, name) + 1,
        ).execute(db.peewee)
        add_event(db, now, "deployment.created", name, actor=actor)
        return get_deployment(db, name)


def change_settings(db: Database, name: str, settings: Settings, now: datetime, actor: str) -> Deployment:
    """Store the settings and return the deployment; the same settings write nothing.

    Another count gives the event `deployment.scaled` ("2 -> 4") and wakes an idle deployment: who asks for replicas
    gets them. Anything else gives `deployment.changed`.
    """
    with db.write():
        old = get_deployment(db, name)
        if old.settings == settings:
            return old
        update_deployment(db, name, now, settings=_encode(settings))
        if old.settings.count != settings.count:
            _count_anew(db, old, now)
            text = f"{old.settings.count} -> {settings.count}"
            add_event(db, now, "deployment.scaled", name, text=text, actor=actor)
        if text := ", ".join(_differences(dump_settings(old.settings), dump_settings(settings))):
            add_event(db, now, "deployment.changed", name, text=text, actor=actor)
        return get_deployment(db, name)


def change_owner(db: Database, name: str, owner: str, now: datetime, actor: str) -> Deployment:
    """Store another owner and return the deployment; the same one writes nothing."""
    with db.write():
        old = get_deployment(db, name)
        if old.owner != owner:
            update_deployment(db, name, now, owner=owner)
            text = f"owner: {old.owner} -> {owner}"
            add_event(db, now, "deployment.changed", name, text=text, actor=actor)
        return get_deployment(db, name)


def _count_anew(db: Database, old: Deployment, now: datetime) -> None:
    """Take note that another count is wanted of a deployment: from nothing it starts, with all the time that has."""
    if old.is_idle:
        update_deployment(db, old.name, now, is_idle=False)
    if old.count == 0:
        restart_clock(db, old.name, old.active, now)


def restart_clock(db: Database, name: str, number: int | None, now: datetime) -> None:
    """Have a version's deadlines count from now, in the caller's transaction: it ran nothing until now, as told."""
    VersionRow.update(stage=Stage.QUEUED.value, stage_since=now).where(
        (VersionRow.deployment == name) & (VersionRow.number == number)
    ).execute(db.peewee)


def delete_deployment(db: Database, name: str, now: datetime, actor: str) -> None:
    """Delete a deployment with its versions and their secrets; raise Conflict while one of them is to run.

    Its events stay readable, and the numbers of its versions are not used again under this name.
    """
    with db.write():
        deployment = get_deployment(db, name)
        running = deployment.active or deployment.incumbent
        if running:
            message = f"version {running} of {name} is active; stop it before deleting the deployment"
            raise Conflict(message, "version-active")
        kept = NumberingRow.update(revision=deployment.revision).where(NumberingRow.deployment == name)
        kept.execute(db.peewee)
        VersionRow.delete().where(VersionRow.deployment == name).execute(db.peewee)
        DeploymentRow.delete().where(DeploymentRow.name == name).execute(db.peewee)
        add_event(db, now, "deployment.deleted", name, actor=actor)


def update_deployment(db: Database, name: str, now: datetime, **columns: object) -> None:
    """Write columns of a deployment's row, in the caller's transaction, and raise its revision."""
    DeploymentRow.update(columns | {"changed_at": now}).where(DeploymentRow.name == name).execute(db.peewee)
    raise_revision(db, name)


def raise_revision(db: Database, name: str) -> None:
    """Let readers know, in the caller's transaction, that the deployment or one of its versions is another one now."""
    query = DeploymentRow.update(revision=DeploymentRow.revision + 1)
    query.where(DeploymentRow.name == name).execute(db.peewee)


def _load_revision(db: Database, name: str) -> int:
    """Return the revision at which a deployment of this name was deleted, 0 if there was none."""
    NumberingRow.insert(deployment=name, last=0, revision=0).on_conflict_ignore().execute(db.peewee)
    query = NumberingRow.select(NumberingRow.revision).where(NumberingRow.deployment == name)
    return int(query.scalar(db.peewee))


def _to_deployment(row: DeploymentRow) -> Deployment:
    return Deployment(
        name=row.name,
        owner=row.owner,
        settings=parse_settings(json.loads(row.settings), Settings()),
        created_at=row.created_at,
        changed_at=row.changed_at,
        active=row.active,
        incumbent=row.incumbent,
        handing=HandoverMode(row.handing) if row.handing else None,
        revision=row.revision,
        is_idle=bool(row.is_idle),
    )


def _encode(settings: Settings) -> str:
    return json.dumps(dump_settings(settings), sort_keys=True)


def _differences(old: JsonObject, new: JsonObject, path: str = "") -> Iterator[str]:
    """Yield "access: public -> keys" for every setting that differs, the count apart."""
    for key, value in new.items():
        before = old[key]
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _differences(before, value, f"{key}.")
        elif before != value and key != "replicas":
            yield f"{path}{key}: {before} -> {value}"
