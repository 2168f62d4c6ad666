"""Versions: numbered, immutable specs of a deployment, with their runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from serai.domain.deployment import Version
from serai.domain.errors import Conflict
from serai.domain.spec import Spec
from serai.domain.spec_text import digest_spec, encode_spec

from .database import Database
from .deployments import get_deployment, update_deployment
from .events import add_event
from .rows import NumberingRow, VersionRow
from .runs import activate, choose_handover, deactivate, fail_version, finish_handover, set_progress
from .secrets import fingerprint_secrets, load_secret_values, store_secrets
from .version_rows import all_versions, get_version, is_version, list_versions

__all__ = [
    "activate",
    "add_version",
    "all_versions",
    "choose_handover",
    "deactivate",
    "delete_version",
    "fail_version",
    "finish_handover",
    "get_version",
    "list_versions",
    "load_secrets",
    "set_progress",
]

log = logging.getLogger(__name__)


def add_version(db: Database, name: str, spec: Spec, secrets: Mapping[str, str], now: datetime, actor: str) -> Version:
    """Store a new version, not active yet, and return it. Raise NotFound if there is no such deployment.

    Its number is one above the highest ever used under this name, deleted ones included. The values of `secrets` are
    kept apart; the version's spec has their fingerprints, whatever `spec.secrets` was.
    """
    with db.write():
        get_deployment(db, name)
        number = _take_number(db, name)
        spec = replace(spec, secrets=fingerprint_secrets(db, secrets))
        VersionRow.insert(
            deployment=name,
            number=number,
            spec=encode_spec(spec),
            spec_digest=digest_spec(spec),
            created_at=now,
            created_by=actor,
            run=0,
            ready_run=0,
        ).execute(db.peewee)
        store_secrets(db, name, number, secrets)
        update_deployment(db, name, now)
        add_event(db, now, "version.created", name, number, actor=actor)
        log.info("%s: version %d created", name, number)
        return get_version(db, name, number)


def load_secrets(db: Database, name: str, number: int) -> dict[str, str]:
    """Return the values of a version's secrets by name; raise NotFound for a version that does not exist."""
    with db.read():
        get_version(db, name, number)
        return load_secret_values(db, name, number)


def delete_version(db: Database, name: str, number: int, now: datetime, actor: str) -> None:
    """Delete a version and its secrets; raise Conflict while it is active or still serves as incumbent."""
    with db.write():
        deployment = get_deployment(db, name)
        get_version(db, name, number)
        if number in {deployment.active, deployment.incumbent}:
            raise Conflict(f"version {number} of {name} is active; stop it before deleting it", "version-active")
        VersionRow.delete().where(is_version(name, number)).execute(db.peewee)
        update_deployment(db, name, now)
        add_event(db, now, "version.deleted", name, number, actor=actor)
        log.info("%s: version %d deleted", name, number)


def _take_number(db: Database, name: str) -> int:
    is_its = NumberingRow.deployment == name
    NumberingRow.update(last=NumberingRow.last + 1).where(is_its).execute(db.peewee)
    return int(NumberingRow.select(NumberingRow.last).where(is_its).scalar(db.peewee))
