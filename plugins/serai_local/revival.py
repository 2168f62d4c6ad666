"""Replicas without a shim: one that never began is started, one whose shim was killed is buried."""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress

from serai.domain.reasons import Reason, make_reason

from .launch import Launcher
from .layout import replace_file
from .orphans import kill_orphans
from .replica import LocalReplica
from .trash import Trash

log = logging.getLogger(__name__)

_MAX_LAUNCHES = 3


class Revival:
    """Starts shims, reaps those that were this process's children, and cleans up after killed ones."""

    def __init__(self, launcher: Launcher, trash: Trash) -> None:
        self._launcher, self._trash = launcher, trash
        self._starting: dict[str, int] = {}  # replica id -> pid, as long as it may be a child of ours

    def launch(self, replica: LocalReplica) -> None:
        """Start the replica's shim. Twice does no harm: the lock lets one live."""
        replica.launches += 1
        self._starting[replica.placed.id] = self._launcher.start(replica.place)

    def adopt(self, replica: LocalReplica) -> None:
        """Take over a replica that an earlier server started: its shim may be our child if that was in this process."""
        if replica.report.pid:
            self._starting[replica.placed.id] = replica.report.pid
        if replica.is_ended:
            self._clear(replica)

    def reap(self) -> None:
        """Bury shims that have ended, and forget those that are not ours."""
        for id_, pid in list(self._starting.items()):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                del self._starting[id_]

    def treat(self, replica: LocalReplica) -> bool:
        """Do what is due for a replica that seemed to have no shim; return whether it was lost."""
        with replica.hold_lock() as is_mine:
            if not is_mine:
                return False
            replica.look()
            if replica.is_ended:
                return False
            if replica.is_begun:
                self._bury(replica, self._explain(replica))
                return True
            if replica.is_stopping:
                self._bury(replica, None)
                return False
            self.reap()
            if replica.placed.id in self._starting:
                return False
            if replica.launches >= _MAX_LAUNCHES:
                self._bury(
                    replica, make_reason("scheduler-error", f"Its supervisor cannot run: {_last_words(replica)}")
                )
                return True
        self.launch(replica)
        return False

    def _explain(self, replica: LocalReplica) -> Reason | None:
        if replica.is_stopping:
            return None
        words = _last_words(replica)
        cause = f"ended unexpectedly: {words}" if words else "was killed"
        return make_reason("failed-replica", f"Its supervisor {cause}. Another replica takes its place.")

    def _bury(self, replica: LocalReplica, reason: Reason | None) -> None:
        """End all that is left of it and say so in its state. The lock is ours."""
        report = replica.report
        if replica.is_begun:
            killed = kill_orphans(replica.place)
            log.warning("%s: its supervisor is gone; %d processes of it were ended", replica.placed.id, killed)
        values = {
            "phase": "ended",
            "since": time.time(),
            "started_at": report.started_at,
            "pid": report.pid,
            "start": report.start,
            "crashes": report.crashes,
            "address": report.address,
            "reason": reason and {"code": reason.code, "text": reason.text, "log": [], "exit_code": None},
        }
        replace_file(replica.place.state, json.dumps(values))
        replica.look()
        self._clear(replica)

    def _clear(self, replica: LocalReplica) -> None:
        self._trash.put(replica.place.work)
        with suppress(FileNotFoundError):
            replica.place.env.unlink()


def _last_words(replica: LocalReplica) -> str:
    try:
        lines = replica.place.errors.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
