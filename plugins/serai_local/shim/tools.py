"""Running the steps before a model starts, one process at a time, their output in the log."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import processes
from .child import Output, execute, fork
from .failure import exit_code_of
from .journal import Journal
from .loop import Loop
from .pump import Pump


class Tools:
    """Runs helpers to their end. When the replica is stopped meanwhile, the helper is killed and Stopped passes."""

    def __init__(self, loop: Loop, journal: Journal, pid_file: Path) -> None:
        self._loop, self._journal, self._pid_file = loop, journal, pid_file

    def run(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, keep: Sequence[int] = ()) -> int:
        """Run a program and return its exit code. Raise OSError where it cannot be executed."""
        output = Output()
        return self._finish(output, lambda: execute(argv, env, cwd, output, self._pid_file, keep))

    def call(self, function: Callable[[], None]) -> int:
        """Run a function in a forked process and return its exit code."""
        output = Output()
        return self._finish(output, lambda: fork(function, output, self._pid_file))

    def _finish(self, output: Output, start: Callable[[], int]) -> int:
        pumps = [Pump(self._loop, self._journal, fd, "system") for fd in (output.out_in, output.err_in)]
        pid = 0
        try:
            try:
                pid = start()
                self._loop.expect(pid)
            finally:
                output.close_writers()
            self._loop.until(lambda: pid in self._loop.exits)
            self._loop.until(lambda: not any(pump.is_open for pump in pumps), timeout_s=1.0)
            return exit_code_of(self._loop.exits.pop(pid))
        finally:
            if pid:
                processes.kill_group(pid, signal.SIGKILL)
            for pump in pumps:
                pump.close()
