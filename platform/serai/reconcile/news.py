"""Tell plugins the news: each new line of the timeline, once, after it has been committed."""

from __future__ import annotations

from collections.abc import Callable

from serai.plugin.changes import DeploymentChange
from serai.store import events
from serai.store.database import Database

from .cluster import Cluster


class NewsDesk:
    """Reads the timeline from where it stood when this was made; has one caller at a time."""

    def __init__(self, db: Database, cluster: Cluster, tell: Callable[[DeploymentChange], None]) -> None:
        self._db = db
        self._cluster = cluster
        self._tell = tell
        self._last = events.last_event_id(db)

    def publish(self) -> None:
        """Tell what has happened since the last call."""
        for event in events.events_after(self._db, self._last):
            situation = self._cluster.situation(event.deployment)
            self._tell(DeploymentChange(event, situation.deployment if situation else None))
            self._last = event.id
