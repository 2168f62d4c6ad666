"""Notice that the wall clock was set, or the machine slept, so that deadlines do not pass in an instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from serai.domain.deployment import Stage
from serai.domain.handover import Situation

from .actions import NoteProgress

# What clocks are slewed by between two ticks is far below, every deadline that matters far above.
SMALLEST = timedelta(seconds=5)


class Jumps:
    """Compares the wall clock with the monotonic one from call to call."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._offset_s: float | None = None

    def measure(self, now: datetime) -> timedelta:
        """Return how far the wall clock has jumped since the last call; zero for what is too small to matter."""
        offset_s = now.timestamp() - self._monotonic()
        before_s, self._offset_s = self._offset_s, offset_s
        jump = timedelta(seconds=offset_s - before_s) if before_s is not None else timedelta()
        return jump if abs(jump) >= SMALLEST else timedelta()


def plan_shift(situation: Situation, jump: timedelta) -> list[NoteProgress]:
    """Return what to store so that the deadlines of a deployment's starts move with the clock."""
    return [
        NoteProgress(v.deployment, v.number, v.run, replace(v.progress, since=v.progress.since + jump))
        for v in (situation.active, situation.incumbent)
        if v is not None and v.progress is not None and v.progress.stage is not Stage.READY
    ]
