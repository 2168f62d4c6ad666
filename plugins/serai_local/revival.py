"""Replicas without a shim: one that never began is started, one whose shim was killed is buried."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress

from serai.domain.reasons import Reason, make_reason

from .launchpad import Launchpad
from .layout import replace_file
from .orphans import kill_orphans
from .replica import LocalReplica
from .trash import Trash

log = logging.getLogger(__name__)

_MAX_LAUNCHES = 3


class Revival:
    """Has shims started, and cleans up after killed ones."""

    def __init__(self, launchpad: Launchpad, trash: Trash) -> None:
        self._launchpad, self._trash = launchpad, trash

    def launch(self, replica: LocalReplica) -> None:
        replica.launches += 1
        self._launchpad.put(replica.placed.id, replica.place)

    def adopt(self, replica: LocalReplica) -> None:
        """Take over a replica that an earlier server started."""
        if replica.report.pid:
            self._launchpad.adopt(replica.placed.id, replica.report.pid)
        if replica.is_ended:
            self._clear(replica)

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
            if self._launchpad.has(replica.placed.id):
                return False
            if replica.launches >= _MAX_LAUNCHES:
                text = f"Its supervisor cannot run: {_last_words(replica) or 'it could not be started'}"
                self._bury(replica, make_reason("scheduler-error", text))
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
