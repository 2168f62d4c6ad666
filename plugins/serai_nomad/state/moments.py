"""When a replica's phase began, as far as Nomad tells."""

from __future__ import annotations

from datetime import datetime

from serai.domain.observation import Phase

from .rows import Row
from .starting import FETCHING
from .task_states import Task


def since_of(row: Row, phase: Phase) -> datetime:
    """Return the instant, never before the allocation was made. It stays the same while the phase does."""
    return max(row.created_at, _since_of(row, phase) or row.created_at)


def _since_of(row: Row, phase: Phase) -> datetime | None:
    main, current = row.tasks.main, row.tasks.current
    match phase:
        case Phase.PLACED:
            return row.modified_at if row.client == "unknown" else row.created_at
        case Phase.FETCHING:
            return _began_fetching(current) if current else None
        case Phase.INSTALLING:
            return row.tasks.install.started_at if row.tasks.install else None
        case Phase.LOADING | Phase.CHECKING:
            return main.started_at if main else None
        case Phase.READY:
            return row.memory.ready_at or (main.started_at if main else None)
        case Phase.BACKING_OFF:
            return _failed_at(row)
        case Phase.STOPPING:
            killing = main.find("Killing") if main else None
            return killing.at if killing else row.modified_at
        case Phase.ENDED:
            return _finished_at(row) or row.modified_at


def _began_fetching(task: Task) -> datetime | None:
    """Return when the newest unbroken row of fetching events began."""
    began = None
    for event in reversed(task.events):
        if event.type not in FETCHING:
            break
        began = event.at
    return began


def _failed_at(row: Row) -> datetime | None:
    newest = row.tasks.current.newest if row.tasks.current else None
    return _finished_at(row) or (newest.at if newest else row.modified_at)


def _finished_at(row: Row) -> datetime | None:
    ends = [task.finished_at for task in row.tasks.all if task.finished_at and task.state == "dead"]
    return max(ends, default=None) if row.client in {"complete", "failed"} else None
