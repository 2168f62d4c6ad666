"""The entry of the shim: take the lock, live one replica's life, let go."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from serai_local.layout import ReplicaDir, try_lock

from .journal import Journal
from .lifecycle import Lifecycle
from .loop import Loop
from .processes import become_subreaper, descendants, kill_all, start_time
from .state import State, load_state
from .task import Task

_LOCK_PATIENCE_S = 2.0


def run(folder: str) -> int:
    """Supervise the replica in `folder` until it has ended; return an exit code. 0 too if another shim does already."""
    with contextlib.suppress(PermissionError):  # a session leader already
        os.setsid()
    os.chdir("/")  # the server's folder may be removed
    place = ReplicaDir(Path(folder))
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    if not _take(lock) or load_state(place.state).get("phase") != "placed":
        return 0
    become_subreaper()
    task = Task(place)
    journal = Journal(place.logs, task.log_file_bytes, task.log_files)
    state = State(place.state, task.hints, task.workload)
    loop = Loop()
    pid = os.getpid()
    begun = {"pid": pid, "start": start_time(pid), "started_at": time.time()}
    state.change(phase="placed", crashes=0, restarts=0, reason=None, **begun)
    try:
        Lifecycle(place, task, loop, journal, state).run()
    except BaseException:  # a fault of ours must not leave a model without its supervisor
        kill_all(descendants(pid), signal.SIGKILL)
        raise
    journal.close()
    return 0


def _take(lock: int) -> bool:
    """Take the lock. Servers that look whether it is held hold it for a moment themselves, so one try is not enough."""
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while not try_lock(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
