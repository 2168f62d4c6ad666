"""What is said of the tries to start a replica: why the newest one failed, and when the next one comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from serai_nomad.facts import Json
from serai_nomad.names import ATTEMPTS
from serai_nomad.reading import instant_of, mapping_of, nanoseconds_of, number_of, rows_of, text_of

from .cause import Cause
from .causes import Surroundings, find_cause, restarting_of
from .rows import Row
from .wording import clock, seconds


@dataclass(frozen=True, slots=True)
class Tries:
    """`limits` are the tasks' memory limits in words. `attempts` is how many crashes in a row the version may have,
    0 where the job does not say: no sentence promises a try that will not come, as it may be the last word of a run.
    """

    limits: dict[str, str] = field(default_factory=dict)
    attempts: int = 0

    def may_try(self, crashes: int) -> bool:
        return not 0 < self.attempts <= crashes

    def find_cause(self, row: Row) -> Cause | None:
        return find_cause(row.tasks, Surroundings(row.place, self.limits, row.was_ready))

    def say_next_start(self, row: Row, crashes: int) -> str:
        """Return when Nomad's client starts it again in its place; "" where it does not say."""
        event = restarting_of(row.tasks.current) if row.tasks.current else None
        if event is None or not self.may_try(crashes):
            return ""
        pause_s = number_of(event.details, "start_delay") / 1e9
        return _say_next(crashes, event.at + timedelta(seconds=min(pause_s, 1e6)), pause_s)

    def say_next_placement(self, followup: Json, crashes: int) -> str:
        """Return when Nomad places it anew, by the evaluation that it has planned for that."""
        at, planned_at = instant_of(followup, "WaitUntil"), nanoseconds_of(followup, "CreateTime")
        if at is None or not self.may_try(crashes):
            return ""
        return _say_next(crashes, at, (at - planned_at).total_seconds() if planned_at else 0)


def _say_next(crashes: int, at: datetime, pause_s: float) -> str:
    pause = f", after a pause of {seconds(pause_s)}" if pause_s > 0 else ""
    return f"try {crashes + 1} starts at {clock(at)}{pause}"


def make_tries(definition: Json) -> Tries:
    """Return what a job's definition says of its tries; nothing where it is {}."""
    tasks = [task for group in rows_of(definition, "TaskGroups") for task in rows_of(group, "Tasks")]
    limits = {text_of(task, "Name"): _memory_limit(mapping_of(task, "Resources")) for task in tasks}
    return Tries(limits, number_of(mapping_of(definition, "Meta"), ATTEMPTS))


def _memory_limit(resources: Json) -> str:
    memory_mb = max(number_of(resources, "MemoryMB"), number_of(resources, "MemoryMaxMB"))
    return f"{memory_mb} MiB" if memory_mb > 0 else ""
