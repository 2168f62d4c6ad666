"""Nodes and what is held on them, read when somebody needs it and kept for a moment."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Executor

from serai.domain.errors import NotFound, SchedulerError
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import ClusterFacts

from .nodes import HOLDING_FILTER, NodeDetail, find_unread, parse_cluster, parse_detail

log = logging.getLogger(__name__)

KEEP_S = 3.0


class ClusterView:
    """Reads the cluster at most once in KEEP_S; the details of a node only when it has changed.

    As long as nothing has changed, the same object is returned. That it cannot be read is kept as long.
    """

    def __init__(self, api: NomadApi, pool: Executor) -> None:
        self._api = api
        self._pool = pool
        self._lock = threading.Lock()
        self._details: dict[str, NodeDetail] = {}
        self._kept: ClusterFacts | SchedulerError = SchedulerError("the nodes have not been read yet")
        self._read_at = float("-inf")

    def get(self) -> ClusterFacts:
        """Return the cluster. Raise SchedulerError where it cannot be read."""
        with self._lock:
            if time.monotonic() - self._read_at >= KEEP_S:
                self._kept = self._renew(self._kept)
                self._read_at = time.monotonic()
            if isinstance(self._kept, SchedulerError):
                raise self._kept.with_traceback(None)
            return self._kept

    def get_if_possible(self) -> ClusterFacts | None:
        """Return the cluster, or None where it cannot be read: a reason is then less exact, but still one."""
        try:
            return self.get()
        except SchedulerError:
            return None

    def expire(self) -> None:
        """Have the next call read again."""
        self._read_at = float("-inf")

    def _renew(self, before: ClusterFacts | SchedulerError) -> ClusterFacts | SchedulerError:
        try:
            seen = self._read()
        except SchedulerError as error:
            log.info("nodes cannot be read: %s", error.message)
            return error
        is_same = isinstance(before, ClusterFacts) and (before.nodes, before.holdings) == (seen.nodes, seen.holdings)
        return before if is_same else seen

    def _read(self) -> ClusterFacts:
        nodes = self._api.list_nodes().rows
        for detail in self._pool.map(self._read_detail, find_unread(nodes, self._details)):
            self._details.update(detail)
        ids = {node["ID"] for node in nodes}
        self._details = {id: detail for id, detail in self._details.items() if id in ids}
        return parse_cluster(nodes, self._api.list_all_allocations(HOLDING_FILTER).rows, self._details)

    def _read_detail(self, id: str) -> dict[str, NodeDetail]:
        try:
            return {id: parse_detail(self._api.node(id))}
        except NotFound:
            return {}
