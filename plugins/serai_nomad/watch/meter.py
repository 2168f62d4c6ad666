"""What live replicas use: one call for each, its answer kept until Nomad has a newer sample."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import Executor
from datetime import UTC, datetime

from serai.domain.errors import SchedulerError, SeraiError
from serai.domain.observation import Usage
from serai.domain.reasons import Reason
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import Json
from serai_nomad.names import TASK
from serai_nomad.place.cluster_view import ClusterView
from serai_nomad.record.log_files import parse_time
from serai_nomad.record.usage import derive_limits, derive_usage, explain_unpublished, is_unpublished

from .ledger import Ledger, is_active
from .places import Places

log = logging.getLogger(__name__)


class Meter:
    def __init__(self, api: NomadApi, ledger: Ledger, places: Places, cluster: ClusterView, pool: Executor) -> None:
        self._api = api
        self._ledger = ledger
        self._places = places
        self._cluster = cluster
        self._pool = pool
        self._told: set[str] = set()

    def sample(self, ids: Collection[str] | None) -> list[Usage]:
        """Return the newest sample of each running replica, or why there is none."""
        jobs = [job for id in (self._ledger.ids() if ids is None else ids) if (job := self._ledger.get(id))]
        running = [row for job in jobs for row in job.allocations if row.get("ClientStatus") == "running"]
        return [usage for usage in self._pool.map(self._measure, running) if usage is not None]

    def _measure(self, row: Json) -> Usage | None:
        if not is_active(row):
            return None
        started_at = started_of(row)
        try:
            stats = self._api.allocation_stats(row["ID"])
        except SchedulerError as error:
            if error.code == "permission-denied":
                raise
            return None
        except SeraiError:  # it has ended meanwhile
            return None
        now = datetime.now(UTC)
        if is_unpublished(stats, now - started_at):
            return Usage(row["ID"], now, missing=self._explain(str(row.get("NodeName") or row.get("NodeID"))))
        place = self._places.get(row["ID"])
        cluster = self._cluster.get_if_possible()
        node = next((n for n in cluster.nodes if n.id == row.get("NodeID")), None) if cluster else None
        return derive_usage(row["ID"], stats, derive_limits(place.resources, node), started_at)

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
