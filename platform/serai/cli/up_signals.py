"""What Ctrl-C means to `serai up`: first stop, then hurry."""

from __future__ import annotations

import signal
import threading


def listen_for_signals() -> tuple[threading.Event, threading.Event]:
    """Return (stop, hurry): the first SIGINT or SIGTERM sets the one, any further the other."""
    stop, hurry = threading.Event(), threading.Event()

    def take(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, take)
    return stop, hurry
