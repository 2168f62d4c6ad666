"""Intent and observation put together for readers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from serai.domain.deployment import Deployment, Stage, Version
from serai.domain.errors import SchedulerError
from serai.domain.handover import Situation
from serai.domain.observation import Replica
from serai.domain.reasons import CATALOGUE, Reason, make_reason
from serai.domain.status import State, Status, derive_status


class Freshness(StrEnum):
    """How the scheduler's last answer is to be taken: not yet any, an old one, or the present."""

    NEVER = "never"
    STALE = "stale"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version with its derived status.

    `replicas` are the live ones and the ended ones that are kept, of all its runs, live ones first. `stale`: the
    scheduler could not be observed lately, and this is what it last said.
    """

    version: Version
    status: Status
    replicas: tuple[Replica, ...]
    stale: bool
    waiting: Reason | None


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment with its versions, newest first. `shown` speaks for it: active, else incumbent, else newest."""

    deployment: Deployment
    versions: tuple[VersionView, ...]
    shown: VersionView | None
    index: int

    def version(self, number: int) -> VersionView | None:
        return next((view for view in self.versions if view.version.number == number), None)


def make_view(
    situation: Situation, now: datetime, index: int, freshness: Freshness, doubt: Reason | None = None
) -> DeploymentView:
    """Return the view of one deployment at `now`. `doubt` says why the scheduler could not be observed."""
    versions = tuple(
        _make_version_view(situation, situation.versions[number], now, freshness, doubt)
        for number in sorted(situation.versions, reverse=True)
    )
    deployment = situation.deployment
    number = deployment.active or deployment.incumbent
    shown = next((view for view in versions if view.version.number == number), versions[0] if versions else None)
    return DeploymentView(deployment, versions, shown, index)


def explain_doubt(error: SchedulerError) -> Reason:
    """Return the reason that stands for every state while the scheduler cannot be observed."""
    text = f"This is what the scheduler last said; it cannot be observed now: {error.message.rstrip('.')}."
    return make_reason(error.code if error.code in CATALOGUE else "stale", text)


def _make_version_view(
    situation: Situation, version: Version, now: datetime, freshness: Freshness, doubt: Reason | None
) -> VersionView:
    observation = situation.observations.get(version.number)
    replicas = observation.replicas if observation else ()
    return VersionView(
        version=version,
        status=_derive(situation, version, now, freshness, doubt),
        replicas=tuple(sorted(replicas, key=lambda replica: (not replica.live, replica.started_at, replica.id))),
        stale=freshness is not Freshness.FRESH,
        waiting=observation.waiting if observation else None,
    )


def _derive(
    situation: Situation, version: Version, now: datetime, freshness: Freshness, doubt: Reason | None
) -> Status:
    if freshness is Freshness.NEVER:
        return _remembered_status(situation, version, doubt)
    status = derive_status(situation, version, now)
    if freshness is Freshness.STALE and status.state.is_active:
        return replace(status, reason=doubt or make_reason("stale"))
    return status


def _remembered_status(situation: Situation, version: Version, doubt: Reason | None) -> Status:
    """Return what the database remembers: nothing has been observed since the server's start."""
    deployment = situation.deployment
    if version.number in {deployment.active, deployment.incumbent}:
        state = State.RUNNING if _served_last(situation) == version.number else State.PREPARING
        return Status(state, doubt or make_reason("not-observed"), 0, deployment.count)
    return Status(State.ERROR if version.outcome else State.STOPPED, version.outcome, 0, 0)


def _served_last(situation: Situation) -> int | None:
    """Return the one version that served as far as the database knows: in a handover the old one, if it was ready."""
    for version in (situation.incumbent, situation.active):
        if version is not None and version.progress is not None and version.progress.stage is Stage.READY:
            return version.number
    return None
