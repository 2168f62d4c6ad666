"""Starts and ends of versions' runs: which version is active, which serves on meanwhile, how each run ended.

Each function is one conditional transaction. Those that report an observation (`fail_version`, `finish_handover`,
`choose_handover`, `set_progress`) return False and write nothing when intent has moved on since it was made.
"""

from __future__ import annotations

import logging
from datetime import datetime

from serai.domain.deployment import Deployment, HandoverMode, Progress, Stage, Version
from serai.domain.quantity import format_duration
from serai.domain.reasons import Reason

from .database import Database
from .deployments import get_deployment, raise_revision, restart_clock, update_deployment
from .events import add_event
from .rows import DeploymentRow, VersionRow
from .version_rows import encode_reason, get_version, is_version

log = logging.getLogger(__name__)


def activate(db: Database, name: str, number: int, now: datetime, actor: str) -> Deployment:
    """Make a version the one to run and return the deployment, unchanged if it was active already.

    The old active version becomes the incumbent if it is ready; otherwise the old incumbent goes on. A version that
    starts gets a new run. Going back to an incumbent that serves keeps its run: a new one would interrupt it.
    One that is idle is the incumbent of a replacement whose gap has begun: requests are held as they were before, and
    it is there to return to.
    """
    with db.write():
        deployment, version = get_deployment(db, name), get_version(db, name, number)
        if deployment.active == number:
            return deployment
        incumbent = _choose_incumbent(db, deployment, number)
        handing = _choose_handing(db, deployment, incumbent)
        if not (deployment.incumbent == number and _is_ready(version)):
            _start_run(db, version, now)
        update_deployment(db, name, now, active=number, incumbent=incumbent, handing=handing, is_idle=False)
        add_event(db, now, "version.started", name, number, actor=actor)
        for old in {deployment.active, deployment.incumbent} - {None, number, incumbent}:
            add_event(db, now, "version.superseded", name, old, text=f"by version {number}", actor=actor)
        log.info("%s: active version %s -> %d", name, deployment.active, number)
        return get_deployment(db, name)


def deactivate(db: Database, name: str, number: int, now: datetime, actor: str) -> Deployment:
    """Make a version stop and return the deployment; unchanged if the version was not to run.

    With the active version its incumbent stops too: stopping means that nothing serves any more. Stopping the
    incumbent alone ends the handover at once.
    """
    with db.write():
        deployment = get_deployment(db, name)
        get_version(db, name, number)
        if number == deployment.active:
            stopped = [number, deployment.incumbent]
            update_deployment(db, name, now, active=None, incumbent=None, handing=None, is_idle=False)
        elif number == deployment.incumbent:
            stopped = [number]
            update_deployment(db, name, now, incumbent=None, handing=None)
        else:
            return deployment
        for old in stopped:
            if old is not None:
                add_event(db, now, "version.stopped", name, old, actor=actor)
        log.info("%s: version %d stopped", name, number)
        return get_deployment(db, name)


def fail_version(db: Database, name: str, number: int, run: int, outcome: Reason, now: datetime) -> bool:
    """End a run of the active version in Error; an incumbent becomes active again. False if intent has moved on."""
    with db.write():
        row = DeploymentRow.select().where(DeploymentRow.name == name).first(db.peewee)
        if row is None or row.active != number or get_version(db, name, number).run != run:
            return False
        VersionRow.update(outcome=encode_reason(outcome)).where(is_version(name, number)).execute(db.peewee)
        update_deployment(db, name, now, active=row.incumbent, incumbent=None, handing=None, is_idle=False)
        add_event(db, now, "version.failed", name, number, text=outcome.text)
        if row.incumbent is not None:
            if not _is_ready(get_version(db, name, row.incumbent)):
                restart_clock(db, name, row.incumbent, now)  # it had no replica, as told
            text = f"serves again because version {number} failed"
            add_event(db, now, "version.returned", name, row.incumbent, text=text)
        return True


def finish_handover(db: Database, name: str, active: int, incumbent: int, now: datetime) -> bool:
    """Let the incumbent go; False unless exactly this handover is in progress."""
    with db.write():
        if not _is_handing(db, name, active, incumbent):
            return False
        update_deployment(db, name, now, incumbent=None, handing=None)
        add_event(db, now, "version.handed-over", name, active, text=f"took over from version {incumbent}")
        return True


def choose_handover(db: Database, name: str, active: int, incumbent: int, mode: HandoverMode, now: datetime) -> bool:
    """Store the mode of a handover; False unless exactly this handover is in progress."""
    with db.write():
        if not _is_handing(db, name, active, incumbent):
            return False
        update_deployment(db, name, now, handing=mode.value)
        return True


def set_progress(db: Database, name: str, number: int, run: int, progress: Progress) -> bool:
    """Store where a run has come to; False if the version has another run by now or is gone.

    The first time that a run is ready is an event.
    """
    with db.write():
        row = VersionRow.select().where(is_version(name, number)).first(db.peewee)
        if row is None or row.run != run:
            return False
        is_first = progress.stage is Stage.READY and row.ready_run != run
        columns: dict[str, object] = {"stage": progress.stage.value, "stage_since": progress.since}
        columns |= {"ready_run": run} if is_first else {}
        VersionRow.update(columns).where(is_version(name, number)).execute(db.peewee)
        raise_revision(db, name)
        if is_first:
            text = _ready_text(row.started_at, progress.since)
            add_event(db, progress.since, "version.ready", name, number, text=text)
        log.info("%s: version %d %s -> %s", name, number, row.stage, progress.stage.value)
        return True


def _choose_incumbent(db: Database, deployment: Deployment, number: int) -> int | None:
    """Return who serves until `number` is ready: never that version itself."""
    active = deployment.active
    if active is not None and (deployment.is_idle or _is_ready(get_version(db, deployment.name, active))):
        return active
    return deployment.incumbent if deployment.incumbent != number else None


def _choose_handing(db: Database, deployment: Deployment, incumbent: int | None) -> str | None:
    """Return the mode where it is no choice: an incumbent that runs nothing is not started for a handover."""
    if incumbent is None:
        return None
    goes_on = deployment.handing is HandoverMode.REPLACE and incumbent == deployment.incumbent
    is_gap = deployment.is_idle or (goes_on and not _is_ready(get_version(db, deployment.name, incumbent)))
    return HandoverMode.REPLACE.value if is_gap else None


def _start_run(db: Database, version: Version, now: datetime) -> None:
    columns: dict[str, object] = {"run": version.run + 1, "outcome": None, "started_at": now}
    columns |= {"stage": Stage.QUEUED.value, "stage_since": now}
    VersionRow.update(columns).where(is_version(version.deployment, version.number)).execute(db.peewee)


def _is_ready(version: Version) -> bool:
    return version.progress is not None and version.progress.stage is Stage.READY


def _is_handing(db: Database, name: str, active: int, incumbent: int) -> bool:
    row = DeploymentRow.select().where(DeploymentRow.name == name).first(db.peewee)
    return row is not None and (row.active, row.incumbent) == (active, incumbent)


def _ready_text(started_at: datetime | None, ready_at: datetime) -> str:
    """Return "ready after 12 s". A clock set back between the two must not give a negative time."""
    if started_at is None:
        return "ready"
    seconds = max(0.0, (ready_at - started_at).total_seconds())
    return f"ready after {seconds:.2g} s" if seconds < 10 else f"ready after {_spell(seconds)}"


def _spell(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else format_duration(seconds)
