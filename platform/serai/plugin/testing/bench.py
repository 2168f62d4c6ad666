"""A scheduler under test and the questions that its contract tests share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from serai.domain.errors import NotSupported
from serai.domain.observation import LogLine, Replica, Stream, Workload
from serai.plugin.scheduler import Scheduler

from .models import WorkloadFactory
from .polling import until


@dataclass(frozen=True, slots=True)
class Bench:
    """`make` makes workloads, `timeout_s` bounds every wait, `answers_here` says whether addresses can be called."""

    scheduler: Scheduler
    make: WorkloadFactory
    timeout_s: float
    answers_here: bool
    submitted: dict[str, Workload] = field(default_factory=dict)

    def submit(self, workload: Workload) -> None:
        """Submit what `clear` stops and purges after the test."""
        self.submitted[workload.id] = workload
        self.scheduler.submit(workload)

    def clear(self) -> None:
        for workload in self.submitted.values():
            self.scheduler.stop(workload.id)
        for workload in self.submitted.values():
            self.gone(workload)
            self.scheduler.purge(workload.id)

    def live(self, workload: Workload) -> dict[str, Replica]:
        """Return the live replicas by id."""
        observation = self.scheduler.observe([workload.id]).get(workload.id)
        return {r.id: r for r in observation.replicas if r.live} if observation else {}

    def ready(self, workload: Workload) -> dict[str, Replica]:
        """Wait until exactly `count` replicas are live, all of them ready and of its digest; return them by id."""

        def look() -> dict[str, Replica] | None:
            live = self.live(workload)
            right = all(replica.ready and replica.digest == workload.digest for replica in live.values())
            return live if right and len(live) == workload.count else None

        return until(look, f"{workload.count} ready replicas of {workload.id}", self.timeout_s)

    def gone(self, workload: Workload) -> None:
        """Wait until no replica is live."""
        until(lambda: not self.live(workload), f"the end of {workload.id}", self.timeout_s)

    def lines(self, workload: Workload, replica: str) -> list[LogLine]:
        """Return the kept lines of the model itself; skip the test where the scheduler keeps none."""
        try:
            lines = list(self.scheduler.logs(workload.id, replica))
        except NotSupported as error:
            pytest.skip(error.message)
        return [line for line in lines if line.stream is not Stream.SYSTEM]

    def live_and_die(self) -> tuple[Workload, str, list[LogLine]]:
        """Run a POLITE replica from its start to its end; return its workload, id, and lines."""
        workload = self.make()
        self.submit(workload)
        (replica,) = self.ready(workload)
        self.scheduler.stop(workload.id)
        self.gone(workload)
        return workload, replica, self.lines(workload, replica)


def is_aware(at: datetime) -> bool:
    return at.tzinfo is not None
