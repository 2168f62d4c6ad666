"""A replica as the server sees it: what its shim wrote, and whether that shim lives."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serai.domain.observation import Phase, Replica
from serai.domain.reasons import Reason, make_reason

from .layout import ReplicaDir, try_lock
from .record import Placed
from .shim.processes import start_time
from .shim.state import load_state


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of `state.json`. `pid` and `start` are those of the shim, 0 before it has begun."""

    phase: Phase
    since: float
    started_at: float
    pid: int = 0
    start: int = 0
    crashes: int = 0
    restarts: int | None = None
    address: str = ""
    reason: Reason | None = None
    exit_code: int | None = None
    fatal: bool = False
    environment: str = ""


class LocalReplica:
    """One replica. `look` rereads what has changed on disk; everything else speaks of the last look."""

    def __init__(self, place: ReplicaDir, placed: Placed) -> None:
        self.place, self.placed = place, placed
        self.launches = 0
        self._stamp = (0, 0)
        self._is_stopping = place.stop.exists()
        self.report = Report(Phase.PLACED, placed.created_at, placed.created_at)
        self.look()

    def look(self) -> None:
        if self.is_ended:
            return
        try:
            status = os.stat(self.place.state)  # noqa: PTH116 - hundreds of times a second
        except OSError:
            return
        if (stamp := (status.st_mtime_ns, status.st_ino)) != self._stamp and (values := load_state(self.place.state)):
            self._stamp = stamp
            self.report = parse_report(values, self.report)

    @property
    def is_ended(self) -> bool:
        return self.report.phase is Phase.ENDED

    @property
    def is_begun(self) -> bool:
        """True once a shim has taken it up."""
        return self.report.pid != 0

    @property
    def is_ready(self) -> bool:
        return self.report.phase is Phase.READY and not self._is_stopping

    @property
    def is_stopping(self) -> bool:
        """True once it is to end, whether or not it has noticed."""
        return self._is_stopping or self.report.phase is Phase.STOPPING

    def is_supervised(self) -> bool:
        """True if a shim lives: it holds the lock, which no process can leave behind."""
        with self.hold_lock() as is_mine:
            return not is_mine

    @contextmanager
    def hold_lock(self) -> Iterator[bool]:
        """Keep shims away while the block runs; the value is False where one is there already."""
        fd = os.open(self.place.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield try_lock(fd)
        finally:
            os.close(fd)

    def ask_to_stop(self) -> None:
        """Leave the word that it is to end, and wake the shim so that it reads it at once."""
        if not self._is_stopping:
            self.place.stop.touch()
            self._is_stopping = True
        report = self.report
        if report.start and start_time(report.pid) == report.start:  # else the word has to do
            with suppress(ProcessLookupError):
                os.kill(report.pid, signal.SIGTERM)

    def view(self, node: str) -> Replica:
        report, is_ended = self.report, self.is_ended
        stopping = self.is_stopping and not is_ended
        return Replica(
            id=self.placed.id,
            phase=Phase.STOPPING if stopping else report.phase,
            live=not is_ended,
            ready=self.is_ready,
            digest=self.placed.digest,
            since=datetime.fromtimestamp(report.since, UTC),
            started_at=datetime.fromtimestamp(report.started_at, UTC),
            address=report.address or f"127.0.0.1:{self.placed.port}",
            reason=make_reason("stopping") if stopping else report.reason,
            crashes=report.crashes,
            node=node,
            gpus=self.placed.gpus,
        )


def parse_report(values: dict[str, Any], last: Report) -> Report:
    """Return what the shim wrote; `last` where it makes no sense."""
    try:
        reason = values.get("reason")
        exit_code = reason and reason.get("exit_code")
        return Report(
            phase=Phase(values["phase"]),
            since=values["since"],
            started_at=values.get("started_at", last.started_at),
            pid=values.get("pid", 0),
            start=values.get("start", 0),
            crashes=values.get("crashes", 0),
            restarts=values.get("restarts"),
            address=values.get("address", ""),
            reason=make_reason(reason["code"], reason["text"], "", tuple(reason["log"]), exit_code) if reason else None,
            exit_code=values.get("exit_code"),
            fatal=values.get("fatal", False),
            environment=values.get("environment", ""),
        )
    except (KeyError, TypeError, ValueError):
        return last
