"""Logs of replicas by workload, as `Scheduler.logs` gives them."""

from __future__ import annotations

from collections.abc import Iterator

from serai.domain.errors import NotFound
from serai.domain.observation import LogLine, Stream
from serai_nomad.agent.api import NomadApi

from .logs import LogReader, make_source


class Logbook:
    def __init__(self, api: NomadApi) -> None:
        self._api = api
        self._reader = LogReader(api)

    def read(self, workload: str, replica: str, stream: Stream | None, after: str | None) -> Iterator[LogLine]:
        """Yield a replica's kept lines. Raise NotFound for one that is none of the workload's."""
        rows = self._api.job_allocations(workload)
        row = next((row for row in rows if row["ID"] == replica), None)
        if row is None:
            raise NotFound(f"no replica named {replica!r} of {workload!r} is known to Nomad")
        return self._reader.read(make_source(row), stream, after)

    def tail(self, allocation: str, task: str) -> tuple[str, ...]:
        return self._reader.tail(allocation, task)
