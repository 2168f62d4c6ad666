"""Look at the scheduler: keep what is seen, and tell the timeline what somebody else has changed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from serai.domain.handover import wanted_counts
from serai.domain.names import parse_workload_id
from serai.plugin.scheduler import Scheduler
from serai.store.database import Database
from serai.store.events import add_event

from .cluster import Cluster
from .foreign import Change, Expectations, describe_change

log = logging.getLogger(__name__)

# An autoscaler that works against us must not fill the timeline: so many lines of a workload in such a time.
# Corrections do not slow down: what is wanted is promised, and kept replicas do not suffer from them.
LINES, PERIOD = 3, timedelta(minutes=10)


@dataclass(slots=True)
class _Talk:
    """When the last lines about a workload were written, and how many changes since were not told."""

    said: deque[datetime] = field(default_factory=lambda: deque(maxlen=LINES))
    untold: int = 0

    def is_too_much(self, now: datetime) -> bool:
        return len(self.said) == LINES and timedelta() <= now - self.said[0] < PERIOD

    def say(self, text: str, now: datetime) -> str:
        """Return the line, with what was not told before it and what will not be after it."""
        self.said.append(now)
        if self.untold:
            text = f"{text} ({self.untold} more such changes before this one)"
            self.untold = 0
        return f"{text}; as it happens often, the next ones are counted only" if self.is_too_much(now) else text


class Lookout:
    """Observes one scheduler. Has one caller at a time."""

    def __init__(
        self,
        db: Database,
        cluster: Cluster,
        scheduler: Scheduler,
        expectations: Expectations,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._cluster = cluster
        self._scheduler = scheduler
        self._expectations = expectations
        self._clock = clock
        self._talks: dict[str, _Talk] = {}

    def look(self, workloads: Collection[str] | None) -> None:
        """Observe some workloads now, or all with None. Raise SchedulerUnavailable."""
        asked = None if workloads is None else frozenset(workloads)
        observed = self._scheduler.observe(workloads)
        self._cluster.note(observed, asked)
        for change in self._expectations.compare(observed, asked):
            self._tell(change)

    def _tell(self, change: Change) -> None:
        name, number = parse_workload_id(change.workload)
        situation = self._cluster.situation(name)
        if situation is None or number not in situation.versions:
            return  # an orphan: nobody wants to know, and it is stopped
        text = describe_change(change, wanted_counts(situation).get(number, 0))
        log.warning("%s %s", change.workload, text)
        now, talk = self._clock(), self._talks.setdefault(change.workload, _Talk())
        if talk.is_too_much(now):
            talk.untold += 1
        else:
            add_event(self._db, now, "workload.changed", name, number, text=talk.say(text, now))
