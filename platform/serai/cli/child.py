"""One child process of `serai up`: started, looked at, ended. Deciding when is the supervisor's business."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
# A child that lived this long had started well: its next end is a new trouble, not more of the old one.
SETTLED_S = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """What to run: `serai <arguments>`; it is well when `health_url` answers 200."""

    name: str
    arguments: tuple[str, ...]
    health_url: str


class Child:
    """A part as a process in a group of its own, so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, part: Part, parent_fd: int) -> None:
        self.part = part
        self._parent_fd = parent_fd
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._falls = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        command = [*serai_command(), *self.part.arguments, "--parent-fd", str(self._parent_fd)]
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(self._parent_fd,), process_group=0
        )

    def exit_code(self) -> int | None:
        """Return how it ended (negative: a signal), None while it runs."""
        return self._process.poll() if self._process else None

    def pause_s(self) -> float:
        """Return how long to wait before the next start, counting this end."""
        self._falls = 0 if time.monotonic() - self._started_s > SETTLED_S else self._falls
        self._falls += 1
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(2 ** (self._falls - 1)))

    def ask_to_end(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def wait(self, timeout_s: float) -> bool:
        """Return True once it has ended, False if it has not after `timeout_s`."""
        try:
            if self._process:
                self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def serai_command() -> list[str]:
    """Return the words that run this very installation; -P keeps the current folder from shadowing its modules."""
    return [sys.executable, "-P", "-m", "serai"]
