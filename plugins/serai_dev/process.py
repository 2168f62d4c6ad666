"""A part of the cluster as a process on a leash: started, looked at, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serai.domain.errors import SeraiError

FIRST_PAUSE_S, LONGEST_PAUSE_S, SETTLED_S = 1.0, 30.0, 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """What to run and its log (None: this process's own output).

    `alone`: what asks it to end when `serai dev` was killed; `grace_s`: how long it may take to end.
    """

    name: str
    command: tuple[str, ...]
    alone: signal.Signals
    grace_s: float
    log: Path | None
    takes_stdout: bool = False


@dataclass(frozen=True, slots=True)
class Leads:
    """Descriptors of a leash: its program ends when `watch` is closed at the other end; `hold` lets others wait."""

    watch: int
    hold: int = -1


class Process:
    """A part in a process group of its own, so that Ctrl-C reaches `serai dev` alone."""

    def __init__(self, part: Part, leads: Leads, env: Mapping[str, str], cwd: Path) -> None:
        self.part = part
        self._leads, self._env, self._cwd = leads, env, cwd
        self._popen: subprocess.Popen[str] | None = None
        self._started_s, self._falls = 0.0, 0

    @property
    def popen(self) -> subprocess.Popen[str]:
        """The leash. Raise SeraiError before the start."""
        if self._popen is None:
            raise SeraiError(f"{self.part.name} has not been started")
        return self._popen

    def start(self) -> None:
        leads = self._leads
        leash = [sys.executable, "-P", "-m", "serai_dev.leash", str(leads.watch), str(leads.hold)]
        command = [*leash, str(int(self.part.alone)), str(self.part.grace_s), *self.part.command]
        self._started_s = time.monotonic()
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self.part.log.open("a")) if self.part.log else None
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.part.takes_stdout else log,
                stderr=log,
                pass_fds=[descriptor for descriptor in (leads.watch, leads.hold) if descriptor >= 0],
                process_group=0,
                env=dict(self._env),
                cwd=self._cwd,
                text=True,
            )

    def exit_code(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._popen.poll() if self._popen else None

    def pause_s(self) -> float:
        """Return how long to wait before the next start, counting this end."""
        self._falls = 0 if time.monotonic() - self._started_s > SETTLED_S else self._falls
        self._falls += 1
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(2 ** (self._falls - 1)))

    def ask_to_end(self) -> None:
        """Ask it to end; asked again, it is killed."""
        if self._popen and self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._popen.pid, signal.SIGTERM)

    def wait(self, timeout_s: float) -> bool:
        """Return True once it has ended, False if it has not after `timeout_s`."""
        try:
            if self._popen:
                self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def tail(self, lines: int = 12) -> str:
        """Return the end of its log, for people."""
        if self.part.log is None or not self.part.log.exists():
            return ""
        return "\n".join(self.part.log.read_text(errors="replace").splitlines()[-lines:])
