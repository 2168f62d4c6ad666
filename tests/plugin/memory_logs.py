"""A plugin that keeps logs in memory: what the smallest log store looks like. Named by its path in `plugins`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from serai.domain.errors import Invalid
from serai.domain.log_filter import LogFilter
from serai.domain.observation import LogLine
from serai.plugin import KeptLog, LogKey, LogReading, LogStore, PluginContext, hookimpl


@dataclass(slots=True)
class Kept:
    lines: list[LogLine] = field(default_factory=list)
    cursor: str | None = None
    last_at: datetime = datetime.min.replace(tzinfo=UTC)


class MemoryReading(LogReading):
    """A line's own cursor is its place."""

    def __init__(self, lines: Sequence[LogLine], wanted: LogFilter, place: int) -> None:
        self._lines, self._wanted, self._place = lines, wanted, place

    @property
    def cursor(self) -> str | None:
        return str(self._place) if self._place else None

    def __next__(self) -> LogLine:
        while self._place < len(self._lines):
            line = self._lines[self._place]
            self._place += 1
            if self._wanted.has(line):
                return replace(line, cursor=str(self._place))
        raise StopIteration


class MemoryLogStore(LogStore):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[LogKey, Kept] = {}
        self.is_closed = False

    def cursor(self, key: LogKey) -> str | None:
        kept = self._kept.get(key)
        return kept.cursor if kept else None

    def append(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        if lines:
            with self._lock:
                kept = self._kept.setdefault(key, Kept())
                kept.lines += lines
                kept.cursor, kept.last_at = lines[-1].cursor, datetime.now(UTC)

    def seal(self, key: LogKey) -> None:
        """There is nothing to compress."""

    def read(self, key: LogKey, wanted: LogFilter, after: str | None = None) -> MemoryReading:
        if after is not None and not after.isdecimal():
            raise Invalid(f"{after!r} is not a cursor of this log", "after")
        with self._lock:
            kept = self._kept.setdefault(key, Kept())
        return MemoryReading(kept.lines, wanted, min(int(after or 0), len(kept.lines)))

    def list_logs(self, workload: str) -> list[KeptLog]:
        with self._lock:
            found = [(key.replica, kept) for key, kept in self._kept.items() if key.workload == workload and kept.lines]
        logs = [KeptLog(id, sum(len(line.text) for line in kept.lines), kept.last_at) for id, kept in found]
        return sorted(logs, key=lambda log: log.last_at, reverse=True)

    def forget(self, workload: str) -> None:
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if key.workload != workload}

    def prune(
        self, now: datetime, load_workloads: Callable[[], Collection[str]], is_known: Callable[[LogKey], bool]
    ) -> None:
        for workload in {key.workload for key in list(self._kept)} - set(load_workloads()):
            self.forget(workload)

    def close(self) -> None:
        self.is_closed = True


@hookimpl
def serai_register_log_store(context: PluginContext) -> LogStore:
    return MemoryLogStore()
