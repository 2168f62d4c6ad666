"""What live replicas use: one call for each, within a budget; whose turn it is not keeps its last sample."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from datetime import UTC, datetime

from serai.domain.errors import SchedulerError, SeraiError
from serai.domain.observation import Usage
from serai.domain.reasons import Reason
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import ClusterFacts, Json
from serai_nomad.names import TASK
from serai_nomad.record.log_files import parse_time
from serai_nomad.record.usage import Limits, derive_limits, derive_usage, explain_unpublished, is_unpublished

from .ledger import Ledger, is_active
from .places import Places

log = logging.getLogger(__name__)


# So many replicas are measured at a time, each at 2 ms of the processor; of more, each has its turn less often.
AT_MOST = 300


class Meter:
    """Measures replicas. `pool` is its own, as it keeps all threads of it busy for a while."""

    def __init__(
        self, api: NomadApi, ledger: Ledger, places: Places, cluster: Callable[[], ClusterFacts | None], pool: Executor
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._places = places
        self._cluster = cluster
        self._pool = pool
        self._told: set[str] = set()
        self._limits: dict[str, Limits] = {}
        self._asked_at: dict[str, float] = {}
        self._latest: dict[str, Usage] = {}

    def sample(self, ids: Collection[str] | None) -> list[Usage]:
        """Return the newest sample of each running replica, or why there is none."""
        jobs = [job for id in (self._ledger.ids() if ids is None else ids) if (job := self._ledger.get(id))]
        running = {row["ID"]: row for job in jobs for row in job.allocations if _is_running(row)}
        turn = list(running) if ids is not None else self._take_turn(running)
        for id, usage in zip(turn, self._measure_all([running[id] for id in turn]), strict=True):
            if usage is None:
                self._latest.pop(id, None)
            else:
                self._latest[id] = usage
        return [self._latest[id] for id in running if id in self._latest]

    def _take_turn(self, running: Collection[str]) -> list[str]:
        """Return those who have waited the longest; forget all that do not run."""
        kept = set(running)
        self._latest = {id: usage for id, usage in self._latest.items() if id in kept}
        self._limits = {id: limits for id, limits in self._limits.items() if id in kept}
        self._asked_at = {id: at for id, at in self._asked_at.items() if id in kept}
        turn = sorted(running, key=lambda id: self._asked_at.get(id, 0.0))[:AT_MOST]
        self._asked_at |= dict.fromkeys(turn, time.monotonic())
        return turn

    def _measure_all(self, rows: Collection[Json]) -> list[Usage | None]:
        """Measure these; a node that does not answer is not asked for the others."""
        silent: set[str] = set()
        return list(self._pool.map(lambda row: self._measure(row, silent), rows))

    def _measure(self, row: Json, silent: set[str]) -> Usage | None:
        id, node, started_at = row["ID"], str(row.get("NodeID")), started_of(row)
        if node in silent:
            return None
        try:
            stats = self._api.allocation_stats(id)
        except SchedulerError as error:
            if error.code == "permission-denied":
                raise
            silent.add(node)
            return None
        except SeraiError:  # it has ended meanwhile
            return None
        now = datetime.now(UTC)
        if is_unpublished(stats, now - started_at):
            return Usage(id, now, missing=self._explain(str(row.get("NodeName") or node)))
        return derive_usage(id, stats, self._limits_of(id, node), started_at, restarts_of(row))

    def _limits_of(self, id: str, node_id: str) -> Limits:
        """Return what a replica may use, which stays the same: the cluster is read for new ones only."""
        if id not in self._limits:
            cluster = self._cluster()
            node = next((node for node in cluster.nodes if node.id == node_id), None) if cluster else None
            limits = derive_limits(self._places.get(id).resources, node)
            if node is None:
                return limits
            self._limits[id] = limits
        return self._limits[id]

    def _explain(self, node: str) -> Reason:
        """Return why a node's replicas are not measured; it is logged once."""
        reason = explain_unpublished(node)
        if node not in self._told:
            self._told.add(node)
            log.warning("%s %s", reason.text, reason.help)
        return reason


def started_of(row: Json) -> datetime:
    """Return when the model's process was started, for lack of that when its allocation was made."""
    started = ((row.get("TaskStates") or {}).get(TASK) or {}).get("StartedAt")
    return parse_time(started) if started else datetime.fromtimestamp(int(row.get("CreateTime") or 0) / 1e9, UTC)


def restarts_of(row: Json) -> int | None:
    """Return how often the model's process was started again; None where Nomad names no such task yet."""
    restarts = ((row.get("TaskStates") or {}).get(TASK) or {}).get("Restarts")
    return None if restarts is None else int(restarts)


def _is_running(row: Json) -> bool:
    return row.get("ClientStatus") == "running" and is_active(row)
