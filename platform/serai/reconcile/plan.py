"""Decide what has to happen for one deployment. Pure: no I/O, no clock, no log.

Two steps, because what is stored changes what is wanted: `plan_writes` finds what to store about what is observed,
and once that is stored `plan_orders` compares what is wanted with what the scheduler was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from serai.domain.deployment import HandoverMode, Version
from serai.domain.handover import Situation, is_finished, wanted_counts
from serai.domain.observation import Observation
from serai.domain.status import State, advance, derive_status

from .actions import ChooseHandover, Fail, FinishHandover, NoteProgress, Stop, Submit, Write


def plan_writes(situation: Situation, now: datetime) -> list[Write]:
    """Return what to store: progress first, then at most one of failure, end of a handover."""
    notes = [_note_progress(situation, version, now) for version in (situation.active, situation.incumbent)]
    return [write for write in (*notes, _end(situation, now)) if write is not None]


def _note_progress(situation: Situation, version: Version | None, now: datetime) -> NoteProgress | None:
    if version is None:
        return None
    observation = situation.observations.get(version.number)
    if observation is None or observation.digest != version.run_digest:
        return None  # nothing is known of this run yet
    progress = advance(situation, version, now)
    if progress == version.progress:
        return None
    return NoteProgress(version.deployment, version.number, version.run, progress)


def _end(situation: Situation, now: datetime) -> Fail | FinishHandover | None:
    active, incumbent = situation.active, situation.incumbent
    if active is None:
        return None
    status = derive_status(situation, active, now)
    if status.state is State.ERROR and status.reason is not None:
        return Fail(active.deployment, active.number, active.run, status.reason)
    if incumbent is not None and is_finished(situation, now):
        return FinishHandover(active.deployment, active.number, incumbent.number)
    return None


def needs_mode(situation: Situation) -> bool:
    """True if a handover has to be chosen before anything is ordered."""
    return None not in (situation.active, situation.incumbent) and situation.deployment.handing is None


def plan_mode(situation: Situation, mode: HandoverMode) -> ChooseHandover:
    active, incumbent = situation.active, situation.incumbent
    if active is None or incumbent is None:
        raise ValueError("there is no handover to choose a mode for")
    return ChooseHandover(active.deployment, active.number, incumbent.number, mode)


def plan_orders(situation: Situation) -> list[Submit | Stop]:
    """Return what to tell the scheduler: stops before submits, so that places are freed first."""
    wanted = wanted_counts(situation)
    orders: list[Submit | Stop] = [
        Stop(version.workload)
        for version in situation.versions.values()
        if not wanted.get(version.number) and _is_told_to_run(situation.observations.get(version.number))
    ]
    for number, count in sorted(wanted.items()):
        version = situation.versions[number]
        if count and not _matches(situation.observations.get(number), version.run_digest, count):
            orders.append(Submit(version.deployment, number, version.run_digest, count))
    return orders


def plan_orphans(observed: Iterable[tuple[str, Observation]], known: frozenset[str]) -> list[Stop]:
    """Return stops for workloads that are ours, run, and stand in no database row."""
    return [Stop(workload) for workload, seen in observed if workload not in known and _is_told_to_run(seen)]


def _is_told_to_run(observation: Observation | None) -> bool:
    return observation is not None and observation.count > 0


def _matches(observation: Observation | None, digest: str, count: int) -> bool:
    return observation is not None and observation.digest == digest and observation.count == count
