"""Starting shims, a few at a time, and burying those that have ended."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from dataclasses import dataclass

from .launch import Launcher
from .layout import ReplicaDir
from .shim.state import load_state

log = logging.getLogger(__name__)

_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class _Start:
    id: str
    place: ReplicaDir


class Launchpad:
    """A queue and a thread, so that a hundred new replicas neither hold up who wants them nor starve each other.

    At most `at_once` shims are between their start and their first word. What is still queued at `close` is started
    by the next server.
    """

    def __init__(self, launcher: Launcher, at_once: int) -> None:
        self._launcher, self._at_once = launcher, at_once
        self._queue: deque[_Start] = deque()
        self._beginning: list[_Start] = []
        self._pids: dict[str, int] = {}  # of shims that may be our children
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="serai-local-launchpad", daemon=True)
        self._thread.start()

    def put(self, id_: str, place: ReplicaDir) -> None:
        """Have the replica's shim started soon. Twice does no harm: the lock lets one live."""
        with self._changed:
            self._queue.append(_Start(id_, place))
            self._changed.notify()

    def adopt(self, id_: str, pid: int) -> None:
        """Bury this shim one day: it is our child if an earlier scheduler of this process started it."""
        with self._changed:
            self._pids[id_] = pid

    def has(self, id_: str) -> bool:
        """True while the replica's shim is to be started, or has been and lives."""
        self.reap()
        with self._changed:
            return id_ in self._pids or any(start.id == id_ for start in self._queue)

    def reap(self) -> None:
        """Bury shims that have ended, and forget those that are not ours."""
        with self._changed:
            for id_, pid in list(self._pids.items()):
                try:
                    ended, _ = os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    ended = pid
                if ended:
                    del self._pids[id_]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._queue)
                if self._closed:
                    return
                if self._is_crowded():
                    self._changed.wait(_LOOK_S)
                    continue
                start = self._queue[0]
            self._start(start)

    def _start(self, start: _Start) -> None:
        """Start the first of the queue. One that cannot be is dropped: whoever misses it puts it in again."""
        pid = 0
        try:
            if start.place.record.exists() and not start.place.stop.exists():  # it may have been stopped meanwhile
                pid = self._launcher.start(start.place)
        except OSError as error:
            log.warning("%s: its supervisor cannot be started: %s", start.id, error)
        with self._changed:
            self._queue.popleft()
            if pid:
                self._pids[start.id] = pid
                self._beginning.append(start)

    def _is_crowded(self) -> bool:
        self._beginning = [
            s for s in self._beginning if s.id in self._pids and not load_state(s.place.state).get("pid")
        ]
        return len(self._beginning) >= self._at_once
