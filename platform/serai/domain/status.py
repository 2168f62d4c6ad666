"""The state of a version, derived from what is wanted and what is observed. Never stored, never transitioned.

    wanted as   count  live  ready  gave up  state
    nothing     -      0     -      -        Stopped, or Error (the stored outcome)
    nothing     -      >0    -      -        Shutting Down
    incumbent   0      0     -      -        Stopped (handover: replace; it comes back if the new one fails)
    incumbent   0      >0    0      -        Shutting Down
    incumbent   -      -     >0     -        Running (handing-over) while it serves, else Shutting Down
    incumbent   >0     -     0      -        Preparing
    active      0      -     -      -        Running (idle)
    active      >0     -     >0     -        Running (k of n ready); while an incumbent still serves, Preparing
    active      >0     -     0      yes      Error
    active      >0     -     0      no       Preparing, with the reason

"Gave up" is the scheduler's own word or one of our deadlines (`derive_failure`). At every moment at most one version
is Running: the one that gets new requests (`handover.serving`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from .deployment import HandoverMode, Progress, Stage, Version
from .handover import Situation, serving, wanted_counts
from .observation import Observation, Phase, Replica
from .quantity import format_duration
from .reasons import Reason, describe_exit, make_reason


class State(StrEnum):
    PREPARING = "preparing"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting_down"
    STOPPED = "stopped"
    ERROR = "error"

    @property
    def is_active(self) -> bool:
        """Stopped and Error are inactive: such a version may be started again or deleted."""
        return self not in {State.STOPPED, State.ERROR}


@dataclass(frozen=True, slots=True)
class Status:
    """`reason` is None only for a plain Stopped and for Running with all replicas ready."""

    state: State
    reason: Reason | None
    ready: int
    wanted: int


def derive_status(situation: Situation, version: Version, now: datetime) -> Status:
    """Return the status of one version. The table stands in the module's docstring."""
    is_active = situation.deployment.active == version.number
    is_incumbent = situation.deployment.incumbent == version.number
    wanted = wanted_counts(situation).get(version.number, 0)
    ready = situation.ready(version)
    if is_active:
        wanted = situation.deployment.count
        return _derive_active(situation, version, wanted, ready, now)
    if is_incumbent and ready and _serves(situation, version):
        return Status(State.RUNNING, make_reason("handing-over"), ready, wanted)
    if is_incumbent and wanted and not ready:
        reason = _waiting_reason(situation.observations.get(version.number), situation.replicas(version))
        return Status(State.PREPARING, reason, 0, wanted)
    if situation.has_live(version):
        return Status(State.SHUTTING_DOWN, make_reason("stopping"), ready, 0)
    if version.outcome is not None:
        return Status(State.ERROR, version.outcome, 0, 0)
    return Status(State.STOPPED, None, 0, 0)


def _derive_active(situation: Situation, version: Version, wanted: int, ready: int, now: datetime) -> Status:
    observation, replicas = situation.observations.get(version.number), situation.replicas(version)
    if wanted == 0:
        return Status(State.RUNNING, _why_idle(situation), ready, 0)
    state = State.RUNNING if _serves(situation, version) else State.PREPARING
    if ready >= wanted:
        return Status(state, None if state is State.RUNNING else make_reason("taking-over"), ready, wanted)
    if ready > 0:
        return Status(state, _partly_ready(observation, replicas, ready, wanted), ready, wanted)
    if failure := derive_failure(version, observation, replicas, now):
        return Status(State.ERROR, failure, 0, wanted)
    if situation.deployment.handing is HandoverMode.REPLACE and not wanted_counts(situation).get(version.number):
        return Status(State.PREPARING, make_reason("waiting-for-old"), 0, wanted)
    return Status(State.PREPARING, _waiting_reason(observation, replicas), 0, wanted)


def _why_idle(situation: Situation) -> Reason:
    if not situation.deployment.is_idle:
        return make_reason("idle")
    return make_reason("idle", "It rests and runs no replica until a request comes.", "Send a request, or wake it.")


def _serves(situation: Situation, version: Version) -> bool:
    serves = serving(situation)
    return serves is not None and serves.number == version.number


def derive_failure(
    version: Version, observation: Observation | None, replicas: tuple[Replica, ...], now: datetime
) -> Reason | None:
    """Return why a version without a ready replica will not get one, or None while there is hope.

    `replicas` are the live ones of its current run. Nothing is concluded without an observation of that run.
    """
    if observation is None or observation.digest != version.run_digest:
        return None
    if observation.failed:
        return observation.failed
    crashed = max(replicas, key=lambda replica: replica.crashes, default=None)
    if crashed and crashed.crashes >= version.spec.start_attempts:
        return _crash_loop(crashed)
    return _passed_deadline(version, replicas, now)


def _crash_loop(replica: Replica) -> Reason:
    seen = replica.reason
    if seen is not None and seen.code not in {"restarting", "crash-loop"}:
        return seen  # it names the cause: out of memory, command missing
    how = "" if seen is None or seen.exit_code is None else f" with {describe_exit(seen.exit_code)}"
    if replica.crashes > 1:
        how = f" {replica.crashes} times in a row before it was ever ready" + (f", the last time{how}" if how else "")
    else:
        how = f"{how} before it was ever ready"
    text = f"The process ended{how}."
    return make_reason("crash-loop", text, log=seen.log if seen else (), exit_code=seen.exit_code if seen else None)


def _passed_deadline(version: Version, replicas: tuple[Replica, ...], now: datetime) -> Reason | None:
    progress, spec = version.progress, version.spec
    if progress is None:
        return None
    elapsed_s = (now - progress.since).total_seconds()
    if progress.stage is Stage.QUEUED and 0 < spec.queue_timeout_s < elapsed_s:
        limit = format_duration(spec.queue_timeout_s)
        return make_reason("queue-timeout", f"No place was found within queue_timeout ({limit}).")
    if progress.stage is Stage.STARTING and spec.start_timeout_s < elapsed_s:
        return _start_timeout(spec.start_timeout_s, furthest(replicas))
    return None


_LATE = {Phase.LOADING: "never-listened", Phase.CHECKING: "check-failed"}


def _start_timeout(limit_s: float, replica: Replica | None) -> Reason:
    code = _LATE.get(replica.phase, "start-timeout") if replica else "start-timeout"
    seen = replica.reason if replica and replica.reason else make_reason(code)
    text = f"Not ready within start_timeout ({format_duration(limit_s)}): {seen.text}"
    return make_reason(code, text, log=seen.log, exit_code=seen.exit_code)


def advance(situation: Situation, version: Version, now: datetime) -> Progress:
    """Return the progress of the current run; the same value while the stage stays."""
    stage = _derive_stage(situation.replicas(version))
    if version.progress is not None and version.progress.stage is stage:
        return version.progress
    was_ready = stage is Stage.READY or (version.progress is not None and version.progress.was_ready)
    return Progress(stage, now, was_ready)


_STARTING = {Phase.LOADING, Phase.CHECKING, Phase.BACKING_OFF}


def _derive_stage(replicas: tuple[Replica, ...]) -> Stage:
    if any(replica.ready for replica in replicas):
        return Stage.READY
    if any(replica.phase in _STARTING for replica in replicas):
        return Stage.STARTING
    return Stage.FETCHING if replicas else Stage.QUEUED


_ORDER = {phase: place for place, phase in enumerate(Phase)}


def furthest(replicas: tuple[Replica, ...]) -> Replica | None:
    """Return the replica that came furthest: the one whose reason says most."""
    starting = [replica for replica in replicas if replica.phase not in {Phase.STOPPING, Phase.ENDED}]
    return max(starting, key=lambda replica: _ORDER[replica.phase], default=None)


def _waiting_reason(observation: Observation | None, replicas: tuple[Replica, ...]) -> Reason:
    replica = furthest(replicas)
    if replica is not None:
        return replica.reason or _phase_reason(replica.phase)
    if observation is not None and observation.waiting is not None:
        return observation.waiting
    return make_reason("scheduling")


def _phase_reason(phase: Phase) -> Reason:
    return make_reason("restarting" if phase is Phase.BACKING_OFF else phase.value)


def _partly_ready(observation: Observation | None, replicas: tuple[Replica, ...], ready: int, wanted: int) -> Reason:
    late = tuple(replica for replica in replicas if not replica.ready)
    cause = _waiting_reason(observation, late)
    text = f"{ready} of {wanted} replicas are ready. {cause.text}"
    return replace(make_reason("partly-ready", text, cause.help, cause.log, cause.exit_code), funnel=cause.funnel)
