"""The threads that listen to Nomad's events and keep jobs that wait for a device from being forgotten."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from serai.domain.errors import SchedulerError, SeraiError
from serai_nomad.agent.api import NomadApi
from serai_nomad.agent.events import Connected, Disconnected, EventStream, JobChanged, NodeChanged
from serai_nomad.place.cluster_view import ClusterView

from .healing import EVERY_S, blocked_on_devices, has_healed, healthy_devices
from .hints import Hints
from .ledger import Ledger
from .observer import Observer

log = logging.getLogger(__name__)

_NODES_EVERY_S = 2.0


class Listening:
    """Turns events into hints between `start` and `close`. Events may be doubled or lost: sweeps are the truth."""

    def __init__(
        self, api: NomadApi, stream: EventStream, observer: Observer, ledger: Ledger, cluster: ClusterView, hints: Hints
    ) -> None:
        self._api = api
        self._stream = stream
        self._observer = observer
        self._ledger = ledger
        self._cluster = cluster
        self._hints = hints
        self._closed = threading.Event()
        self._nodes_changed = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, name="nomad-events", daemon=True),
            threading.Thread(target=self._heal, name="nomad-healing", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closed.set()
        self._nodes_changed.set()
        self._stream.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _listen(self) -> None:
        for event in self._stream:
            match event:
                case JobChanged(id):
                    self._observer.touch(id)
                    self._hints.tell(id)
                case NodeChanged():
                    self._cluster.expire()
                    self._nodes_changed.set()
                case Connected():
                    self._observer.hear(True)
                case Disconnected():
                    self._observer.hear(False)
        self._observer.hear(False)

    def _heal(self) -> None:
        """Evaluate jobs that are blocked on devices when devices have healed, and from time to time.

        One that is seen blocked for the first time is evaluated, too: its device may have healed between two looks.
        """
        healthy: Mapping[tuple[str, str], int] = {}
        known: frozenset[str] = frozenset()
        evaluated_at = time.monotonic()
        while not self._closed.is_set():
            self._nodes_changed.wait(EVERY_S)
            if self._closed.wait(_NODES_EVERY_S):
                return
            self._nodes_changed.clear()
            blocked = blocked_on_devices([job for id in self._ledger.ids() if (job := self._ledger.get(id))])
            try:
                before, healthy = healthy, healthy_devices(self._cluster.get())
            except SchedulerError as error:
                log.debug("nodes cannot be read: %s", error.message)
                continue
            if has_healed(before, healthy) or time.monotonic() - evaluated_at >= EVERY_S:
                evaluated_at = time.monotonic()
                self._evaluate(blocked)
            else:
                self._evaluate([id for id in blocked if id not in known])
            known = frozenset(blocked)

    def _evaluate(self, ids: list[str]) -> None:
        for id in ids:
            try:
                self._api.evaluate(id)
            except SeraiError as error:
                log.info("%s cannot be evaluated again: %s", id, error.message)
