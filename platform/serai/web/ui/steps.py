"""The way of a start in steps, queued to ready, with the times that are known: a pure function and its memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from serai.domain.deployment import Stage
from serai.domain.observation import Phase, Replica
from serai.domain.status import State, furthest
from serai.reconcile.views import VersionView

QUEUED = "queued"
STEPS = (QUEUED, Phase.PLACED, Phase.FETCHING, Phase.INSTALLING, Phase.LOADING, Phase.CHECKING, Phase.READY)
MAX_REMEMBERED = 500


class Mark(StrEnum):
    DONE = "done"
    NOW = "now"
    TODO = "todo"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `at` is when it began, `took_s` how long until the next one that was seen; None where nobody looked.

    `until` names that next one where others lie in between that nobody saw.
    """

    name: str
    mark: Mark
    at: datetime | None
    took_s: float | None = None
    until: str = ""


class Trail:
    """Remembers when each start was first seen in a phase. Schedulers tell the present phase alone, and since when.

    Safe from any thread; keeps the newest MAX_REMEMBERED starts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], dict[str, datetime]] = OrderedDict()

    def note(self, view: VersionView) -> dict[str, datetime]:
        """Note what `view` shows and return the times known by step."""
        version = view.version
        key = (version.workload, version.run_digest)
        found = _times(view)
        with self._lock:
            known = self._seen.setdefault(key, {})
            for step, at in found.items():
                known[step] = min(at, known.get(step, at))
            self._seen.move_to_end(key)
            while len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)
            return dict(known)


def make_steps(view: VersionView, times: dict[str, datetime]) -> list[Step]:
    """Return the steps of the version's current run; none for one that was never started or ended in peace.

    On the way all of them, so that one sees what is to come; once ready those that were seen, as a step that nobody
    saw may well have been left out (nothing to install).
    """
    version, state = view.version, view.status.state
    if version.run == 0 or state in {State.STOPPED, State.SHUTTING_DOWN}:
        return []
    here = STEPS.index(_reached(view, times))
    is_there = STEPS[here] == Phase.READY
    marks = [Mark.DONE if place < here or is_there else Mark.TODO for place in range(len(STEPS))]
    if not is_there:
        marks[here] = Mark.FAILED if state is State.ERROR else Mark.NOW
    steps = [_make_step(place, mark, here, times) for place, mark in enumerate(marks)]
    return [step for step in steps if step.at is not None] if is_there else steps


def _reached(view: VersionView, times: dict[str, datetime]) -> str:
    """Return the step a start is at; for one that failed the last one it was seen in."""
    if view.status.ready or (view.version.progress and view.version.progress.stage is Stage.READY):
        return Phase.READY
    replica = furthest(_current(view))
    if replica is not None:
        return _step_of(replica)
    return max(times, key=STEPS.index, default=QUEUED)


def _times(view: VersionView) -> dict[str, datetime]:
    version, found = view.version, {}
    if version.started_at is not None:
        found[QUEUED] = version.started_at
    current = _current(view)
    if current:
        found[str(Phase.PLACED)] = min(replica.started_at for replica in current)
    replica = furthest(current)
    if replica is not None and replica.phase is not Phase.BACKING_OFF:
        found[_step_of(replica)] = replica.since
    if version.progress is not None and version.progress.stage is Stage.READY:
        found[str(Phase.READY)] = version.progress.since
    return found


def _current(view: VersionView) -> tuple[Replica, ...]:
    return tuple(replica for replica in view.replicas if replica.live and replica.digest == view.version.run_digest)


def _step_of(replica: Replica) -> str:
    """A replica that waits to be started again has come as far as loading."""
    return str(Phase.LOADING if replica.phase is Phase.BACKING_OFF else replica.phase)


def _make_step(place: int, mark: Mark, here: int, times: dict[str, datetime]) -> Step:
    name = str(STEPS[place])
    began = times.get(name) if mark is not Mark.TODO else None
    later = next((step for step in STEPS[place + 1 : here + 1] if str(step) in times), None)
    if began is None or later is None:
        return Step(name, mark, began)
    took_s = max(0.0, (times[str(later)] - began).total_seconds())
    return Step(name, mark, began, took_s, "" if later == STEPS[place + 1] else str(later))
