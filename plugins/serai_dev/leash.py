"""`python -m serai_dev.leash`: run a program that ends when `serai dev` does, however that ends, in its turn.

Each leash watches a pipe. Serai's and the clients' is held open by `serai dev` alone; the server's also by the clients'
leashes: so the server ends last, and clients can still tell it that their tasks have ended.

Arguments: descriptor to watch, descriptor to hold open or -1, signal that asks the program to end, seconds until it is
killed, then the program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


class Leash:
    """One program, asked to end once and killed when it does not, or when it is asked again."""

    def __init__(self, how: signal.Signals, grace_s: float) -> None:
        self._how, self._grace_s = how, grace_s
        self._asked = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str]) -> int:
        """Run the program and return its exit code, as a shell would say it."""
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        if self._asked:  # before it was there
            self._send(signal.SIGKILL)
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def ask(self, *_: object) -> None:
        """Ask it to end; the second time, kill it."""
        self._send(signal.SIGKILL if self._asked else self._how)
        if not self._asked:
            self._asked = True
            killer = threading.Timer(self._grace_s, self._send, [signal.SIGKILL])
            killer.daemon = True
            killer.start()

    def _send(self, number: signal.Signals) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def main(arguments: Sequence[str]) -> int:
    watch, _hold, how, grace_s, *command = arguments
    leash = Leash(signal.Signals(int(how)), float(grace_s))
    # A handler that does nothing, not SIG_IGN: that the program would inherit, and its tasks from it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, leash.ask)
    threading.Thread(target=_follow, args=(int(watch), leash), daemon=True).start()
    return leash.run(command)


def _follow(watch: int, leash: Leash) -> None:
    while os.read(watch, 1024):
        pass
    leash.ask()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
