"""Who follows the routes: what gateways say goes to the drains, who they are to the store, for the next server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from serai.domain.errors import SeraiError
from serai.store.database import Database
from serai.store.gateways import add_gateway, forget_gateways

from .drains import Drains

log = logging.getLogger(__name__)


class Attendance:
    """Takes what gateways say; safe from any thread. `known` are those that the store remembers."""

    def __init__(self, db: Database, drains: Drains, known: Collection[str]) -> None:
        self._db = db
        self._drains = drains
        self._lock = threading.Lock()
        self._stored = set(known)

    def note(self, gateway: str, applied: int, busy: Collection[str]) -> None:
        """A gateway reads the routes; see `Drains.note_follower`. On return the next server will know of it.

        Where it cannot be stored now it gets its routes nevertheless, and its next read tries again.
        """
        self._drains.note_follower(gateway, applied, busy)
        with self._lock:
            is_stored = gateway in self._stored
        if is_stored:
            return
        try:
            add_gateway(self._db, gateway)
        except SeraiError as error:
            log.warning("gateway %s follows, but cannot be remembered: %s", gateway, error.message)
            return
        with self._lock:
            self._stored.add(gateway)

    def forget_silent(self) -> None:
        """Forget gateways that read no more. Raise SeraiError where the store does."""
        gone = self._drains.forget_silent()
        with self._lock:  # one that comes back from now on is stored again
            self._stored -= gone
        forget_gateways(self._db, gone)
