"""The thread that ticks: at once for what was nudged, often for what drains, regularly for everything."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from serai.domain.errors import Invalid
from serai.domain.names import parse_workload_id

from .drains import Drains
from .reconciler import Reconciler

log = logging.getLogger(__name__)

DRAIN_LOOK_S = 0.1


class ReconcileLoop:
    """Ticks in one thread between `start` and `close`."""

    def __init__(self, reconciler: Reconciler, drains: Drains, period_s: float) -> None:
        self._reconciler = reconciler
        self._drains = drains
        self._period_s = period_s
        self._wake = threading.Condition()
        self._nudged: set[str] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def nudge(self, *names: str) -> None:
        """Have deployments looked at now."""
        with self._wake:
            self._nudged.update(names)
            self._wake.notify()

    def follow(self, hints: Iterable[str]) -> None:
        """Nudge what a scheduler hints at, until its hints end. Blocks: give it a thread."""
        for workload in hints:
            try:
                self.nudge(parse_workload_id(workload)[0])
            except Invalid:
                log.debug("hint about %r, which is no workload", workload)

    def close(self) -> None:
        """End the thread after its tick."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        next_full_s = time.monotonic()
        while True:
            names = self._await(next_full_s)
            if self._closed:
                return
            if time.monotonic() >= next_full_s:
                names = None
                next_full_s = time.monotonic() + self._period_s
            self._tick(names)

    def _await(self, next_full_s: float) -> set[str] | None:
        """Return the deployments to look at, at the latest when the next full tick is due."""
        draining = self._drains.deployments()
        until_s = min(next_full_s, time.monotonic() + DRAIN_LOOK_S) if draining else next_full_s
        with self._wake:
            while not self._nudged and not self._closed and (left_s := until_s - time.monotonic()) > 0:
                self._wake.wait(left_s)
            names, self._nudged = self._nudged, set()
        return names | draining

    def _tick(self, names: set[str] | None) -> None:
        try:
            self._reconciler.tick(names)
        except Exception:
            log.exception("a tick failed; the next one comes")
