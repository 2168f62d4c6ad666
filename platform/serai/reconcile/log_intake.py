"""Bring the lines of replicas from the scheduler into the store, each once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from serai.domain.errors import SeraiError
from serai.domain.observation import LogLine
from serai.plugin.log_store import LogKey, LogStore
from serai.plugin.scheduler import Scheduler

log = logging.getLogger(__name__)

_BATCH_LINES = 2000
_BATCH_CHARACTERS = 256 * 1024
_FULL_PAUSE_S = 10.0
# A reader waits no longer for somebody else who collects the same replica: its node may hang.
_PATIENCE_S = 2.0

Tell = Callable[[LogKey, Sequence[LogLine]], None]


def tell_nobody(key: LogKey, lines: Sequence[LogLine]) -> None:
    """Nobody else wants the lines."""


@dataclass(slots=True)
class _Gate:
    """Lets one at a time collect a replica; `began_at` is when the last one to succeed asked the scheduler.

    `has_all`: the replica has ended and everything was collected; readers need not ask.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    began_at: float = float("-inf")
    has_all: bool = False


class LogIntake:
    """Safe from any thread. What is collected continues exactly where the store ends, also after a crash.

    A store that cannot write (a full disk) is said once; collecting pauses, and goes on from where it was. `tell` is
    given what was stored, and must neither wait nor raise.
    """

    def __init__(
        self, scheduler: Scheduler, store: LogStore, is_ours: Callable[[str], bool], tell: Tell = tell_nobody
    ) -> None:
        self._scheduler = scheduler
        self._store = store
        self._is_ours = is_ours
        self._tell = tell
        self._lock = threading.Lock()
        self._gates: dict[LogKey, _Gate] = {}
        self._paused_until = float("-inf")
        self._is_failing = False

    def collect(self, key: LogKey) -> int:
        """Store what the scheduler has now and return how many lines that was.

        Raise what `Scheduler.logs` raises, and SeraiError(code="disk-full") where the store cannot write.
        """
        gate = self._gate(key)
        with gate.lock:
            return self._collect(key, gate)

    def freshen(self, key: LogKey) -> None:
        """Store what the scheduler had when this was called, or at the latest after a while what it had before."""
        gate, called_at = self._gate(key), time.monotonic()
        if gate.has_all or not gate.lock.acquire(timeout=_PATIENCE_S):
            return
        try:
            if gate.began_at <= called_at:  # else somebody has asked since
                self._collect(key, gate)
        finally:
            gate.lock.release()

    def leave(self, key: LogKey) -> None:
        """Take note that a replica has said all; `collect` works all the same."""
        self._gate(key).has_all = True

    def forget(self, workload: str) -> None:
        """Remove all logs of a workload that is no longer ours."""
        with self._lock:
            gates = [self._gates.pop(key) for key in list(self._gates) if key.workload == workload]
        for gate in gates:  # who appends just now has done so when its lock is had; nobody begins to
            if gate.lock.acquire(timeout=_PATIENCE_S):
                gate.lock.release()
        self._store.forget(workload)

    def _collect(self, key: LogKey, gate: _Gate) -> int:
        if time.monotonic() < self._paused_until:
            raise SeraiError("logs are not collected: the store could not write a moment ago", "disk-full")
        began_at, count = time.monotonic(), 0
        try:
            lines = self._scheduler.logs(key.workload, key.replica, None, self._store.cursor(key))
            for batch in cut_batches(lines):
                if not self._is_ours(key.workload):
                    return 0
                self._store.append(key, batch)
                self._tell(key, batch)
                count += len(batch)
        except OSError as error:
            raise self._pause(error) from error
        if self._is_failing and count:
            self._is_failing = False
            log.info("logs are collected again")
        gate.began_at = began_at
        gate.has_all = gate.has_all and not count
        return count

    def _pause(self, error: OSError) -> SeraiError:
        if not self._is_failing:
            self._is_failing = True
            log.warning("logs cannot be stored (%s): collecting pauses until there is room", error.strerror or error)
        self._paused_until = time.monotonic() + _FULL_PAUSE_S
        return SeraiError(
            f"logs cannot be stored: {error.strerror or error}; make room in the data folder", "disk-full"
        )

    def _gate(self, key: LogKey) -> _Gate:
        with self._lock:
            return self._gates.setdefault(key, _Gate())


def cut_batches(lines: Iterable[LogLine]) -> Iterator[list[LogLine]]:
    """Yield the lines in pieces that are small enough to hold."""
    batch: list[LogLine] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.text)
        if len(batch) >= _BATCH_LINES or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
