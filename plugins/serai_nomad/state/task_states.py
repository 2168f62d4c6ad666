"""The tasks of an allocation as Nomad tells of them: state, restarts and the last ten events of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from serai_nomad.facts import Json
from serai_nomad.names import INSTALL, TASK
from serai_nomad.reading import flag_of, instant_of, mapping_of, nanoseconds_of, number_of, rows_of, text_of

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    at: datetime
    message: str
    details: Json

    @property
    def fails_task(self) -> bool:
        """True if the task cannot go on, by what the node itself has found."""
        return self.details.get("fails_task") == "true"


@dataclass(frozen=True, slots=True)
class Task:
    """`state` is pending, running or dead; pending also between two tries. `events` are in order, the newest last."""

    name: str
    state: str
    is_failed: bool = False
    restarts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    events: tuple[Event, ...] = ()

    @property
    def is_over(self) -> bool:
        """True if it has done what it was to do."""
        return self.state == "dead" and not self.is_failed

    @property
    def newest(self) -> Event | None:
        """Return the newest event that tells of the task itself."""
        return next((event for event in reversed(self.events) if event.type != "Alloc Unhealthy"), None)

    def find(self, type: str) -> Event | None:
        """Return the newest event of a type."""
        return next((event for event in reversed(self.events) if event.type == type), None)


@dataclass(frozen=True, slots=True)
class Tasks:
    """`main` is the model, `install` what runs before it. Either is None while Nomad does not tell of it."""

    all: tuple[Task, ...] = ()
    main: Task | None = None
    install: Task | None = None

    @property
    def current(self) -> Task | None:
        """Return the task that the replica is waiting for: the installation until it is over, then the model."""
        if self.install is not None and not self.install.is_over:
            return self.install
        return self.main


def read_tasks(allocation: Json) -> Tasks:
    states = mapping_of(allocation, "TaskStates")
    tasks = tuple(_read_task(name, state) for name, state in sorted(states.items()) if isinstance(state, dict))
    by_name = {task.name: task for task in tasks}
    others = [task for task in tasks if task.name != INSTALL]
    main = by_name.get(TASK) or (others[0] if others else None)  # an operator's template may name it otherwise
    return Tasks(tasks, main, by_name.get(INSTALL))


def _read_task(name: str, state: Json) -> Task:
    return Task(
        name=name,
        state=text_of(state, "State"),
        is_failed=flag_of(state, "Failed"),
        restarts=max(0, number_of(state, "Restarts")),
        started_at=instant_of(state, "StartedAt"),
        finished_at=instant_of(state, "FinishedAt"),
        events=tuple(_read_event(event) for event in rows_of(state, "Events")),
    )


def _read_event(event: Json) -> Event:
    return Event(
        type=text_of(event, "Type"),
        at=nanoseconds_of(event, "Time") or LONG_AGO,
        message=text_of(event, "DisplayMessage"),
        details=mapping_of(event, "Details"),
    )
