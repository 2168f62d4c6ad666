"""A few threads that collect the logs of all replicas, live or ended, as long as the server runs."""

from __future__ import annotations

import logging
import threading
import time

from serai.domain.errors import NotFound, SeraiError
from serai.plugin.log_store import LogKey, LogStore

from .cluster import Cluster
from .log_intake import LogIntake
from .log_turns import Turns

log = logging.getLogger(__name__)

_THREADS = 4
_LOOK_S = 1.0
_PATIENCE_S = 15.0


class LogCollector:
    """`start` has it collect; `close` ends it within a call of the scheduler."""

    def __init__(self, cluster: Cluster, intake: LogIntake, store: LogStore, threads: int = _THREADS) -> None:
        self._cluster = cluster
        self._intake = intake
        self._store = store
        self._turns = Turns()
        self._looked_at = float("-inf")
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, name=f"logs-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        until = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (key := self._take()) is not None:
            try:
                self._collect(key)
            except Exception:
                log.exception("%s: collecting the log of %s failed; it is tried again", key.workload, key.replica)
                self._note_failure(key)

    def _take(self) -> LogKey | None:
        """Wait for a replica whose turn it is; None at the end."""
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                if now - self._looked_at >= _LOOK_S:
                    self._look(now)
                if key := self._turns.take(now):
                    return key
                self._changed.wait(min(self._turns.wait_s(now), self._looked_at + _LOOK_S - now))
        return None

    def _look(self, now: float) -> None:
        """See which replicas there are; those of workloads that are not ours leave nothing behind."""
        self._looked_at = now
        ours = self._cluster.workloads()
        live: list[LogKey] = []
        ended: list[LogKey] = []
        for workload, seen in self._cluster.observed():
            for replica in seen.replicas if workload in ours else ():
                (live if replica.live else ended).append(LogKey(workload, replica.id))
        self._turns.update(live, ended, now)

    def _collect(self, key: LogKey) -> None:
        try:
            count = self._intake.collect(key)
        except NotFound:
            with self._changed:
                has_said_all = self._turns.note_missing(key, time.monotonic())
        except SeraiError as error:
            log.debug("%s: the log of %s is collected later: %s", key.workload, key.replica, error.message)
            self._note_failure(key)
            return
        else:
            with self._changed:
                has_said_all = self._turns.note_read(key, count, time.monotonic())
        if has_said_all:
            self._seal(key)

    def _seal(self, key: LogKey) -> None:
        try:
            self._store.seal(key)
        except OSError as error:
            log.info("%s: the log of %s stays uncompressed: %s", key.workload, key.replica, error.strerror or error)
        self._intake.leave(key)

    def _note_failure(self, key: LogKey) -> None:
        with self._changed:
            self._turns.note_failure(key, time.monotonic())
