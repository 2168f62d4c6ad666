"""One run of the model: its process group, its output, its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from . import processes
from .child import Output, execute
from .failure import Failure, exit_code_of
from .journal import Journal
from .loop import Loop
from .pump import Pump

_KILL_PATIENCE_S = 10.0
_OUTPUT_PATIENCE_S = 1.0


class Model:
    """A started model. Everything it ever forks stays below this process, which is what `end` relies on."""

    def __init__(
        self, loop: Loop, journal: Journal, argv: list[str], env: Mapping[str, str], work: Path, pid_file: Path
    ) -> None:
        self._loop, self._journal = loop, journal
        output = Output()
        self._pumps = [Pump(loop, journal, output.out_in, "stdout"), Pump(loop, journal, output.err_in, "stderr")]
        try:
            self.pid = execute(argv, env, work, output, pid_file)
            loop.expect(self.pid)
        except BaseException:
            self._close_pumps()
            raise
        finally:
            output.close_writers()

    @property
    def has_exited(self) -> bool:
        return self.pid in self._loop.exits

    @property
    def exit_code(self) -> int:
        """The exit code, a signal as its negative number; only once it has exited."""
        return exit_code_of(self._loop.exits[self.pid])

    def terminate(self, patience_s: float) -> bool:
        """Ask the group, and daemons that left it, to end and wait for all; return False when something is left."""
        outside = [pid for pid in processes.descendants(os.getpid()) if processes.group_of(pid) != self.pid]
        processes.kill_group(self.pid, signal.SIGTERM)
        processes.kill_all(outside, signal.SIGTERM)
        return self._loop.until(lambda: self._loop.childless, patience_s)

    def end(self) -> bool:
        """Kill whatever is left, read the last output, and return whether anything was left beside the model."""
        had_companions = end_descendants(self._loop, self.pid)
        self._loop.until(lambda: not any(pump.is_open for pump in self._pumps), _OUTPUT_PATIENCE_S)
        self._close_pumps()
        return had_companions

    def _close_pumps(self) -> None:
        for pump in self._pumps:
            pump.close()


def end_descendants(loop: Loop, group: int = 0) -> bool:
    """Kill the group and all descendants of this process, again and again until none is left; True if any was."""
    if loop.childless:
        return False
    found = bool(processes.descendants(os.getpid()))
    if group:
        processes.kill_group(group, signal.SIGKILL)

    def is_empty() -> bool:
        if not loop.childless:
            processes.kill_all(processes.descendants(os.getpid()), signal.SIGKILL)
        return loop.childless

    loop.until(is_empty, _KILL_PATIENCE_S, poll_s=0.02)
    return found


def make_command(command: str | list[str], work: Path) -> list[str]:
    """Return what to execute. Raise Failure `command-missing` where nothing is named and there is no start.sh."""
    if isinstance(command, list):
        return command
    if command:
        return ["/bin/sh", "-c", command]
    script = work / "start.sh"
    if not script.is_file():
        text = "The bundle has no start.sh, and the manifest names no command."
        raise Failure("command-missing", text, fatal=True)
    with script.open("rb") as file:
        is_program = file.read(2) == b"#!" and os.access(script, os.X_OK)
    return ["./start.sh"] if is_program else ["/bin/sh", "./start.sh"]
