"""`python -m serai_dev.leash`: run a program that ends when `serai dev` does, however that ends, in its turn.

Each leash watches a pipe. Serai's and the clients' is held open by `serai dev` alone; the server's also by the clients'
leashes: so the server ends last, and clients can still tell it that their tasks have ended.

Arguments: descriptor to watch, descriptor to hold open or -1, signal that asks the program to end when it is left alone
(asked in order, it gets SIGTERM), seconds until it is killed, then the program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 5.0


class Leash:
    """One program, asked to end once and killed when it does not, or when it is asked again."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self.is_asked = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str]) -> int:
        """Run the program and return its exit code, as a shell would say it."""
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        if self.is_asked:  # before it was there
            self._send(signal.SIGKILL)
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def ask(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end; the second time, kill it."""
        self._send(signal.SIGKILL if self.is_asked else how)
        if not self.is_asked:
            self.is_asked = True
            killer = threading.Timer(self._grace_s, self._send, [signal.SIGKILL])
            killer.daemon = True
            killer.start()

    def _send(self, number: signal.Signals) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def main(arguments: Sequence[str]) -> int:
    watch, _hold, alone, grace_s, *command = arguments
    leash = Leash(float(grace_s))
    # A handler that does nothing, not SIG_IGN: that the program would inherit, and its tasks from it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: leash.ask())
    follower = threading.Thread(target=_follow, args=(int(watch), leash, signal.Signals(int(alone))), daemon=True)
    follower.start()
    code = leash.run(command)
    if leash.is_asked:  # tasks of an agent that crashed are found again by the next one
        _end_the_rest()
    return code


def _end_the_rest() -> None:
    """End what the program has left behind: tasks, which outlive an agent that does not wait for them."""
    from .leftovers import MARK, PART_MARK, end_leftovers  # not before it is needed: psutil takes memory

    root, part = os.environ.get(MARK), os.environ.get(PART_MARK)
    if root and part:
        end_leftovers(Path(root), part, PATIENCE_S)


def _follow(watch: int, leash: Leash, alone: signal.Signals) -> None:
    while os.read(watch, 1024):
        pass
    leash.ask(alone)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
