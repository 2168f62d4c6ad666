"""The parts of a server that keep logs, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from serai.config import Configuration
from serai.domain.names import workload_id
from serai.plugin.facade import ContextFor, Plugins
from serai.plugin.log_store import LogStore
from serai.plugin.scheduler import Scheduler
from serai.reconcile.cluster import Cluster
from serai.reconcile.log_book import LogBook
from serai.reconcile.log_collector import LogCollector
from serai.reconcile.log_intake import LogIntake, Tell
from serai.store.database import Database
from serai.store.log_files import FileLogStore, LogLimits


@dataclass(frozen=True, slots=True)
class LogParts:
    """`forget` removes the logs of a version that was deleted; with None, of no version more than was said before."""

    book: LogBook
    collector: LogCollector
    forget: Callable[[str, int | None], None]


def make_log_store(plugins: Plugins, context_for: ContextFor, configuration: Configuration, folder: Path) -> LogStore:
    """Return what keeps lines: a plugin's store, else files in `folder`."""
    store = plugins.make_log_store(context_for)
    if store is not None:
        return store
    keep = timedelta(seconds=configuration.keep_logs)
    return FileLogStore(folder, LogLimits(keep, configuration.max_replica_logs, configuration.max_logs))


def make_logs(db: Database, cluster: Cluster, scheduler: Scheduler, store: LogStore, tell: Tell) -> LogParts:
    intake = LogIntake(scheduler, store, cluster.has_version, tell)

    def forget(name: str, number: int | None) -> None:
        if number is not None:
            cluster.refresh(name)  # from now on nothing is collected for it
            intake.forget(workload_id(name, number))

    return LogParts(LogBook(db, cluster, intake, store), LogCollector(cluster, intake, store), forget)
