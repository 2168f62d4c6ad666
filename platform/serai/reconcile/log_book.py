"""The logs of replicas for readers: what is kept, after what the scheduler has now has been added to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from serai.domain.errors import NotFound, NotSupported, SchedulerError, SeraiError
from serai.domain.log_filter import LogFilter
from serai.domain.names import parse_workload_id
from serai.plugin.log_store import KeptLog, LogKey, LogReading, LogStore
from serai.store import versions
from serai.store.database import Database

from .cluster import Cluster
from .log_intake import LogIntake
from .views import Freshness, VersionView


class Presence(StrEnum):
    """Whether a replica runs, has ended and is still known to the scheduler, or is gone but for its log."""

    LIVE = "live"
    ENDED = "ended"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ReplicaLog:
    """A replica that a log can be read of; `kept` is None while nothing was collected."""

    replica: str
    presence: Presence
    kept: KeptLog | None


class LogBook:
    """Reads are as fresh as the scheduler is; while it is out of reach they give what is kept."""

    def __init__(self, db: Database, cluster: Cluster, intake: LogIntake, store: LogStore) -> None:
        self._db = db
        self._cluster = cluster
        self._intake = intake
        self._store = store

    def read(self, workload: str, replica: str, wanted: LogFilter, after: str | None = None) -> LogReading:
        """Return the wanted lines behind a cursor that an earlier reading gave.

        Raise NotFound for a replica of which neither the scheduler nor the store knows, Invalid for what is no cursor,
        NotSupported or SchedulerError where nothing is kept and the scheduler has nothing to give.
        """
        key = LogKey(workload, replica)
        reading = self._store.read(key, wanted, after)  # refuses a cursor before anything is asked
        if self._is_gone(key) and self._store.cursor(key) is not None:
            return reading
        try:
            self._intake.freshen(key)
        except (NotFound, NotSupported, SchedulerError):
            if self._store.cursor(key) is None:
                raise
        except SeraiError:
            pass  # a full disk: said by the intake, and no reason to keep back what there is
        return reading

    def find_last(self, workload: str, replica: str, wanted: LogFilter, count: int) -> str | None:
        """Return from where to read for the last `count` wanted lines; None is the beginning."""
        return self._store.find_last(LogKey(workload, replica), wanted, count)

    def list_past(self, view: VersionView) -> list[KeptLog]:
        """Return the replicas that the scheduler no longer shows and whose logs are kept, the latest first."""
        shown = {replica.id for replica in view.replicas}
        return [kept for kept in self._store.list_logs(view.version.workload) if kept.replica not in shown]

    def list_replicas(self, view: VersionView) -> list[ReplicaLog]:
        """Return all replicas of a version that there is a log of: live, ended, then those that are gone."""
        kept = {log.replica: log for log in self._store.list_logs(view.version.workload)}
        shown = [
            ReplicaLog(replica.id, Presence.LIVE if replica.live else Presence.ENDED, kept.pop(replica.id, None))
            for replica in view.replicas
        ]
        return shown + [ReplicaLog(log.replica, Presence.GONE, log) for log in kept.values()]

    def prune(self, now: datetime) -> None:
        """Remove what is beyond the limits, and what belongs to no version."""
        self._store.prune(now, self._load_workloads, self._make_is_known())

    def _is_gone(self, key: LogKey) -> bool:
        """Return whether the scheduler shows no such replica: of many past ones none need be asked for."""
        name, number = parse_workload_id(key.workload)
        situation = self._cluster.situation(name)
        seen = situation.observations.get(number) if situation else None
        return self._cluster.freshness is Freshness.FRESH and not any(
            replica.id == key.replica for replica in (seen.replicas if seen else ())
        )

    def _load_workloads(self) -> frozenset[str]:
        return frozenset(version.workload for version in versions.all_versions(self._db))

    def _make_is_known(self) -> Callable[[LogKey], bool]:
        if self._cluster.freshness is not Freshness.FRESH:
            return lambda _: True
        observed = self._cluster.observed()
        known = {LogKey(workload, replica.id) for workload, seen in observed for replica in seen.replicas}
        return known.__contains__
