"""The Nomad scheduler's verbs."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping

from serai.domain.errors import SchedulerUnavailable
from serai.domain.names import parse_workload_id
from serai.domain.observation import Fit, LogLine, NodeCapacity, Observation, Stream, Usage, Workload
from serai.plugin import Scheduler
from serai_nomad.watch.surplus import choose_surplus

from .parts import Parts


class NomadScheduler(Scheduler):
    """Runs each version as one Nomad job; `Parts` says who does what. Nomad is first spoken to by the first verb."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._is_started = False
        self._is_closed = False

    @property
    def is_used(self) -> bool:
        """Whether anything was asked of it: where several plugins have a scheduler, one is chosen."""
        return self._is_started

    def submit(self, workload: Workload) -> None:
        parse_workload_id(workload.id)
        self._begin()
        self._parts.submission.submit(workload)
        self._parts.observer.touch(workload.id)

    def stop(self, workload_id: str) -> None:
        self._begin()
        self._parts.submission.stop(workload_id)
        self._parts.observer.touch(workload_id)

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        self._begin()
        return self._parts.observer.observe(ids)

    def surplus(self, workload: Workload) -> tuple[str, ...]:
        self._begin()
        job = self._parts.observer.look(workload.id)
        return choose_surplus(job, workload.digest, workload.count) if job else ()

    def purge(self, workload_id: str) -> None:
        self._begin()
        self._parts.submission.purge(workload_id)
        self._parts.observer.forget(workload_id)

    def hints(self) -> Iterator[str]:
        return self._parts.hints.follow()

    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        self._begin()
        return self._parts.logbook.read(workload_id, replica, stream, after)

    def usage(self, ids: Collection[str] | None = None) -> list[Usage]:
        self._begin()
        return self._parts.meter.sample(ids)

    def fit(self, workload: Workload, freeing: Collection[str] = ()) -> Fit:
        self._begin()
        return self._parts.fitting.fit(workload, freeing)

    def capacity(self) -> list[NodeCapacity]:
        self._begin()
        return self._parts.fitting.capacity()

    def close(self) -> None:
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            self._parts.close()

    def _begin(self) -> None:
        """Start the threads with the first verb. Raise SchedulerUnavailable once closed."""
        with self._lock:
            if self._is_closed:
                raise SchedulerUnavailable("the Nomad scheduler is closed")
            if not self._is_started:
                self._is_started = True
                self._parts.start()
