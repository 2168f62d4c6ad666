"""The memory limit of a replica: looked at now and then, enforced by killing."""

from __future__ import annotations

import os
import signal

from . import processes
from .failure import Failure


class MemoryGuard:
    """Watches all descendants of this process. `verdict` is set once they were killed for using too much."""

    def __init__(self, limit_bytes: int | None) -> None:
        self._limit_bytes = limit_bytes
        self._last_bytes = 0
        self._oom_kills = processes.oom_kills()
        self.verdict: Failure | None = None

    def look(self) -> None:
        """Kill the descendants if they use more than the limit. Shared pages are told apart only when it matters."""
        if self._limit_bytes is None or self.verdict is not None:
            return
        pids = processes.descendants(os.getpid())
        self._last_bytes = processes.resident_bytes(pids)
        if self._last_bytes <= self._limit_bytes:
            return
        exact = processes.proportional_bytes(pids)
        self._last_bytes = exact or self._last_bytes
        if self._last_bytes > self._limit_bytes:
            self.verdict = Failure("out-of-memory", f"It used {self._figures()} and was killed.")
            processes.kill_all(pids, signal.SIGKILL)

    def explain(self, exit_code: int) -> Failure | None:
        """Return the failure if memory is, or probably is, why the model ended."""
        if self.verdict is not None:
            return self.verdict
        if exit_code not in {-signal.SIGKILL, 128 + signal.SIGKILL}:
            return None
        if processes.oom_kills() > self._oom_kills:
            text = "It was killed, probably by the kernel, which ran out of memory just then."
            return Failure("out-of-memory", text, exit_code)
        if self._limit_bytes and self._last_bytes > 0.8 * self._limit_bytes:
            return Failure("out-of-memory", f"It was killed, probably out of memory ({self._figures()}).", exit_code)
        return None

    def _figures(self) -> str:
        return f"{format_mib(self._last_bytes)} of resources.memory {format_mib(self._limit_bytes or 0)}"


def format_mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
