"""Deployments at rest: idle ones run nothing, keep their active version and count, and can be woken."""

from __future__ import annotations

import logging
from datetime import datetime

from serai.domain.deployment import Deployment, Stage
from serai.domain.errors import Conflict

from .database import Database
from .deployments import get_deployment, restart_clock, update_deployment
from .events import add_event
from .version_rows import get_version

log = logging.getLogger(__name__)


def idle_deployment(db: Database, name: str, now: datetime, actor: str) -> Deployment:
    """Let a deployment rest; nothing happens if it does. Raise Conflict where a request could not wake it again."""
    with db.write():
        deployment = get_deployment(db, name)
        if deployment.is_idle:
            return deployment
        _check_wakeable(db, deployment)
        update_deployment(db, name, now, is_idle=True)
        add_event(db, now, "deployment.idled", name, deployment.active, actor=actor)
        log.info("%s: idle", name)
        return get_deployment(db, name)


def wake_deployment(db: Database, name: str, now: datetime, actor: str, text: str = "") -> Deployment:
    """Have an idle deployment run its replicas again; nothing happens if it is not idle. `text` says what woke it."""
    with db.write():
        deployment = get_deployment(db, name)
        if not deployment.is_idle:
            return deployment
        update_deployment(db, name, now, is_idle=False)
        restart_clock(db, name, deployment.active, now)
        add_event(db, now, "deployment.woken", name, deployment.active, text=text, actor=actor)
        log.info("%s: woken", name)
        return get_deployment(db, name)


def _check_wakeable(db: Database, deployment: Deployment) -> None:
    name = deployment.name
    if deployment.active is None:
        raise Conflict(f"{name} is stopped; only what runs can be idle (serai start {name})", "not-running")
    if deployment.incumbent is not None:
        raise Conflict(f"{name} is handing over to version {deployment.active}; wait until it has", "handing-over")
    if deployment.settings.count == 0:
        raise Conflict(
            f"{name} is scaled to zero and would not wake; scale it up (serai scale {name} 1)", "no-replicas"
        )
    progress = get_version(db, name, deployment.active).progress
    if progress is None or not (progress.was_ready or progress.stage is Stage.READY):
        raise Conflict(
            f"{name} has never been ready: whether it would wake is not known; wait, or stop it", "not-ready"
        )
