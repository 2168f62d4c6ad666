"""Processes that `serai up` starts end with it, however it ends: they watch a pipe whose other end it holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

# Who was asked to end and does not is ended: nothing may outlive the parent for good.
GRACE_S = 20.0


def watch_parent(descriptor: int, on_end: Callable[[], None], grace_s: float = GRACE_S) -> None:
    """Call `on_end` in a thread once the pipe's other end is closed; end this process `grace_s` seconds later."""
    os.set_inheritable(descriptor, False)  # replicas must not hold it
    threading.Thread(target=_wait, args=(descriptor, on_end, grace_s), name="parent", daemon=True).start()


def _wait(descriptor: int, on_end: Callable[[], None], grace_s: float) -> None:
    while os.read(descriptor, 1024):
        pass
    on_end()
    threading.Event().wait(grace_s)
    os._exit(1)
