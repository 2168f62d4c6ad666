"""Processes whose shim was killed: found by session, and by the mark in their environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from .layout import ReplicaDir
from .shim.processes import start_time

_PATIENCE_S = 10.0


def kill_orphans(place: ReplicaDir) -> int:
    """Kill all that is left of a replica without a shim, until none is found; return how many were killed."""
    deadline = time.monotonic() + _PATIENCE_S
    killed = 0
    while (pids := list(_find(place))) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.01)
    return killed


def _find(place: ReplicaDir) -> Iterator[int]:
    session = _recorded_session(place)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("SERAI_REPLICA_DIR") == str(place.root) or _is_of(process.pid, session):
                yield process.pid


def _is_of(pid: int, session: int) -> bool:
    return session > 1 and os.getsid(pid) == session


def _recorded_session(place: ReplicaDir) -> int:
    """Return the session of the replica's newest process group; 0 where its pid belongs to another process now."""
    try:
        pid, start = (int(word) for word in place.pid.read_text().split())
    except (OSError, ValueError):
        return 0
    return pid if start and start_time(pid) == start else 0
