"""The parts of a running server, as the edges get them. Built in one place: `serai.app.compose`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serai.domain.finished import FinishedRequest
from serai.domain.routes import RouteChange
from serai.domain.window import Window
from serai.plugin.exposition import Exposition
from serai.plugin.facade import Plugins
from serai.plugin.scheduler import Scheduler
from serai.plugin.sign_in import SignIn
from serai.plugin.sink import SinkState
from serai.store.blobs import BlobStore
from serai.store.database import Database

from .attendance import Attendance
from .changes import Changes
from .cluster import Cluster
from .drains import Drains
from .keys import Keys
from .lifecycle import Lifecycle
from .log_book import LogBook
from .routes import RoutePublisher


@dataclass(frozen=True, slots=True)
class Core:
    """What `serai.web` works with. `secret_key` signs cookies; URLs have no slash at the end; `trace_url` is the
    setting."""

    db: Database
    metrics: Database
    blobs: BlobStore
    plugins: Plugins
    schedulers: Mapping[str, Scheduler]
    scheduler: Scheduler
    cluster: Cluster
    changes: Changes
    routes: RoutePublisher
    drains: Drains
    attendance: Attendance
    lifecycle: Lifecycle
    logs: LogBook
    keys: Keys
    exposition: Exposition | None
    sign_ins: Mapping[str, SignIn]
    take_windows: Callable[[Sequence[Window]], int]
    take_spans: Callable[[str, Sequence[FinishedRequest], int], int]
    sink_states: Callable[[], list[SinkState]]
    gateway_url: str
    trace_url: str
    server_url: str
    data_dir: Path
    secret_key: bytes
    clock: Callable[[], datetime]
    started_at: datetime

    def follow_routes(self, gateway: str, index: int, busy: Collection[str], timeout_s: float) -> RouteChange:
        """Return what changed of the routes since `index`; see `RoutePublisher.wait`.

        A gateway names itself and the replicas to which it still carries requests although they have left its
        table; an anonymous reader ("") has no part in draining.
        """
        if gateway:
            self.attendance.note(gateway, index if self.routes.has_given(index) else 0, busy)
        try:
            return self.routes.wait(index, timeout_s)
        finally:
            self.drains.note_answered(gateway)
