"""The contract of a log store: lines of replicas kept longer than the scheduler does, each once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from serai.domain.log_filter import LogFilter
from serai.domain.observation import LogLine


@dataclass(frozen=True, slots=True, order=True)
class LogKey:
    """One replica of one version, by its workload's id and its own."""

    workload: str
    replica: str


@dataclass(frozen=True, slots=True)
class KeptLog:
    """What is kept of a replica: its size as stored, and when its log was last added to."""

    replica: str
    size_bytes: int
    last_at: datetime


class LogReading(Iterator[LogLine]):
    """The wanted lines of a replica, one by one. Their cursors are the store's own, not the scheduler's."""

    @property
    @abstractmethod
    def cursor(self) -> str | None:
        """Where to go on: behind everything that was looked at, wanted or not. None before anything was."""


class LogStore(ABC):
    """Keeps the lines of replicas in the order in which they are appended.

    For a replica `append` has one caller at a time, and only one server appends; everything else is called from any
    thread. What cannot be stored raises OSError and leaves nothing of the batch: collecting pauses for some seconds and
    goes on behind `cursor`. `serai.plugin.testing.log_stores` has the contract as tests.

        class Mine(LogStore):
            def append(self, key, lines): self.table.insert(key, lines, cursor=lines[-1].cursor)  # one transaction
            def cursor(self, key): return self.table.last_cursor(key)
            def read(self, key, wanted, after=None): return MyReading(self.table.rows(key, behind=after), wanted)
    """

    @abstractmethod
    def cursor(self, key: LogKey) -> str | None:
        """Return the scheduler's cursor of the last line that is kept for good; None before the first."""

    @abstractmethod
    def append(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        """Keep lines together with the cursor of the last of them: all of it or, over a crash, nothing."""

    @abstractmethod
    def seal(self, key: LogKey) -> None:
        """Say that most likely nothing more will come: time to compress. `append` works all the same."""

    @abstractmethod
    def read(self, key: LogKey, wanted: LogFilter, after: str | None = None) -> LogReading:
        """Return the kept lines that are wanted, behind a cursor of this store.

        What is appended between this call and the first line that is asked for is among them: readers have a cursor
        refused before they collect. Where the cursor's lines are no longer kept the oldest that are follow. Raise
        Invalid for what is no cursor.
        """

    def find_last(self, key: LogKey, wanted: LogFilter, count: int) -> str | None:
        """Return a cursor with at least `count` wanted lines behind it, as late as is cheap; None: the beginning."""
        return None

    @abstractmethod
    def list_logs(self, workload: str) -> list[KeptLog]:
        """Return the replicas of a workload of which lines are kept, the latest first."""

    @abstractmethod
    def forget(self, workload: str) -> None:
        """Remove all logs of a workload."""

    @abstractmethod
    def prune(
        self, now: datetime, load_workloads: Callable[[], Collection[str]], is_known: Callable[[LogKey], bool]
    ) -> None:
        """Remove the oldest lines beyond the limits of age and size, and all of workloads that are not loaded.

        The cursor of a replica stays as long as the scheduler knows the replica (`is_known`): it would be read anew.
        """

    def close(self) -> None:
        """Release what is open."""
