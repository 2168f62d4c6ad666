"""Nodes and what is held on them, read when somebody needs it and kept for a moment."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from serai.domain.errors import SchedulerError

from .facts import ClusterFacts

log = logging.getLogger(__name__)

KEEP_S = 3.0


class ClusterView:
    """Reads the cluster through `read`, at most once in KEEP_S."""

    def __init__(self, read: Callable[[], ClusterFacts]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept: ClusterFacts | None = None
        self._read_at = float("-inf")

    def get(self) -> ClusterFacts:
        """Return the cluster. Raise SchedulerError where it cannot be read."""
        with self._lock:
            if self._kept is None or time.monotonic() - self._read_at >= KEEP_S:
                self._kept = self._read()
                self._read_at = time.monotonic()
            return self._kept

    def get_if_possible(self) -> ClusterFacts | None:
        """Return the cluster, or None where it cannot be read: a reason is then less exact, but still one."""
        try:
            return self.get()
        except SchedulerError as error:
            log.info("nodes cannot be read: %s", error.message)
            return None

    def expire(self) -> None:
        """Have the next call read again."""
        self._read_at = float("-inf")
