"""Keep the children of `serai up` running: start them, wait for health, restart what dies, end all with the parent."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from serai.domain.errors import SeraiError

from .child import Child, Part

LOOK_EVERY_S = 0.25
HEALTH_TIMEOUT_S = 60.0
END_TIMEOUT_S = 40.0  # longer than a gateway's drain time


class Supervisor:
    """Children that end when this process does, as each watches a pipe that only this process holds open.

    `say` takes a sentence for people about what happens.
    """

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        self._say = say
        self._read_fd, self._write_fd = os.pipe()
        self._children = [Child(part, self._read_fd) for part in parts]
        self._due_s: dict[str, float] = {}

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of each part by its name."""
        return {child.part.name: child.pid for child in self._children}

    def start(self) -> None:
        for child in self._children:
            child.start()

    def wait_healthy(self, stop: threading.Event, timeout_s: float = HEALTH_TIMEOUT_S) -> bool:
        """Return True once all parts answer, False if `stop` came first; SeraiError if one ends or takes too long."""
        deadline_s = time.monotonic() + timeout_s
        waiting = list(self._children)
        while waiting and not stop.is_set():
            for child in waiting:
                if (code := child.exit_code()) is not None:
                    raise ChildEnded(child.part.name, code)
            waiting = [child for child in waiting if not is_healthy(child.part.health_url)]
            if waiting and time.monotonic() > deadline_s:
                names = " and ".join(child.part.name for child in waiting)
                raise SeraiError(f"the {names} did not answer within {timeout_s:.0f} s; see its log above", "not-up")
            stop.wait(0.05 if waiting else 0)
        return not waiting

    def tend(self, stop: threading.Event) -> None:
        """Restart what ends, after growing pauses, until `stop`."""
        while not stop.wait(LOOK_EVERY_S):
            for child in self._children:
                self._look(child, time.monotonic())

    def end(self, timeout_s: float = END_TIMEOUT_S, hurry: threading.Event | None = None) -> None:
        """Ask all to end and wait; kill what is left after `timeout_s`, or once `hurry` is set."""
        for child in self._children:
            child.ask_to_end()
        deadline_s = time.monotonic() + timeout_s
        while not all(child.wait(0.05) for child in self._children):
            if time.monotonic() > deadline_s or (hurry and hurry.is_set()):
                for child in self._children:
                    child.kill()
        for descriptor in (self._read_fd, self._write_fd):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _look(self, child: Child, now_s: float) -> None:
        name = child.part.name
        if name in self._due_s:
            if now_s >= self._due_s[name]:
                del self._due_s[name]
                child.start()
                self._say(f"the {name} was started again")
        elif (code := child.exit_code()) is not None:
            pause_s = child.pause_s()
            self._due_s[name] = now_s + pause_s
            self._say(f"the {name} ended ({describe_exit(code)}); starting it again in {pause_s:g} s")


class ChildEnded(SeraiError):
    """A part ended before it was ready; it has said why on stderr. `exit_code` is its own."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(f"the {name} ended before it was ready ({describe_exit(exit_code)}); see above", "not-up")
        self.exit_code = exit_code


def describe_exit(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def is_healthy(url: str) -> bool:
    """Return True if `url` answers 200 within a second. Not by httpx, which would double this process's memory."""
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1.0)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
