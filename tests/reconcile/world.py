"""A whole control plane without sockets, threads or sleeping: real store, real reconciler, scripted scheduler."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from serai.domain.manifest import parse_manifest
from serai.domain.routes import Route
from serai.plugin.registry import load_plugins
from serai.plugin.testing.fakes import FakeClock, FakeScheduler, Script
from serai.reconcile.announce import Announcer
from serai.reconcile.attendance import Attendance
from serai.reconcile.changes import Changes
from serai.reconcile.cluster import Cluster
from serai.reconcile.drains import Drains
from serai.reconcile.foreign import Expectations
from serai.reconcile.lifecycle import Lifecycle
from serai.reconcile.lookout import Lookout
from serai.reconcile.news import NewsDesk
from serai.reconcile.perform import Performer
from serai.reconcile.quiet import has_work
from serai.reconcile.reconciler import Reconciler
from serai.reconcile.routes import RoutePublisher
from serai.reconcile.settle import Settler
from serai.store.blobs import BlobStore
from serai.store.database import Database
from serai.store.events import list_events
from serai.store.gateways import list_gateways


class World:
    """One installation at a moment that `clock` holds still; `tick` is the only thing that moves it."""

    def __init__(self, folder: Path, places: int | None = None, scheduler: FakeScheduler | None = None) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.scheduler = scheduler or FakeScheduler(self.clock, places)
        self.clock = self.scheduler.clock if scheduler else self.clock  # type: ignore[assignment]
        self.jumped_s = 0.0
        self.db = Database.open(f"sqlite:///{folder / 'serai.db'}")
        self.changes = Changes()
        known = list_gateways(self.db)
        self.drains = Drains(lambda: self.clock().timestamp(), known)
        self.attendance = Attendance(self.db, self.drains, known)
        self.plugins = load_plugins([])
        self.cluster = Cluster(self.db, self.changes, self.clock)
        self.routes = RoutePublisher(self.changes.first, self.plugins.tell_routes_changed)
        expectations = Expectations()
        performer = Performer(self.db, self.scheduler, expectations, self.clock)
        lookout = Lookout(self.db, self.cluster, self.scheduler, expectations, self.clock)
        self.settler = Settler(self.cluster, self.scheduler, performer, lookout, self.drains, self.clock)
        self.reconciler = Reconciler(
            self.cluster,
            self.scheduler,
            performer,
            self.settler,
            Announcer(self.cluster, self.changes, self.routes, self.drains, self.plugins.grants, self.clock),
            NewsDesk(self.db, self.cluster, self.plugins.tell_deployment_changed),
            self.clock,
            lambda: self.clock().timestamp() - self.jumped_s,
        )
        self.lifecycle = Lifecycle(
            self.db,
            BlobStore(folder / "bundles"),
            self.plugins,
            self.scheduler,
            self.cluster,
            lambda name: None,
            lambda name, number: None,
            self.clock,
        )

    def restarted(self) -> World:
        """Return the world after a kill -9 of the server: what was in memory is gone, the models run on."""
        self.close()
        return World(self.folder, scheduler=self.scheduler)

    def deploy(self, name: str = "m", image: str = "model:1", **values: object) -> int:
        """Deploy an image and return the number of the version that is active then."""
        manifest = parse_manifest({"name": name, "image": image, "drain_timeout": "5s"} | values)
        return self.lifecycle.deploy(manifest, "ann").view.deployment.active or 0

    def script(self, number: int, name: str = "m", **values: object) -> None:
        self.scheduler.script(f"{name}-v{number}", Script(**values))  # type: ignore[arg-type]

    def tick(self, times: int = 1, seconds: float = 1.0) -> None:
        """Tick after each second; every gateway that there might be has nothing in flight."""
        for _ in range(times):
            self.clock.advance(seconds)
            self.reconciler.tick()

    def follow(self, gateway: str, index: int | None = None, busy: Collection[str] = ()) -> None:
        """Have a gateway read the routes: it applied `index` (None: the newest) and carries requests to `busy`."""
        index = self.routes.table().index if index is None else index
        self.attendance.note(gateway, index if self.routes.has_given(index) else 0, busy)

    def jump(self, seconds: float) -> None:
        """Set the wall clock; the monotonic one goes on as before."""
        self.clock.advance(seconds)
        self.jumped_s += seconds

    def states(self, name: str = "m") -> dict[int, str]:
        return {v.version.number: v.status.state.value for v in self.cluster.view(name).versions}

    def reason(self, number: int, name: str = "m") -> str:
        view = self.cluster.view(name).version(number)
        assert view is not None
        return view.status.reason.code if view.status.reason else ""

    def live(self, name: str = "m") -> dict[int, int]:
        """Return how many replicas of each version live on the scheduler."""
        observed = self.scheduler.observe(None)
        counts = {int(id.rpartition("-v")[2]): o for id, o in observed.items() if id.startswith(f"{name}-v")}
        return {n: k for n, o in counts.items() if (k := sum(r.live for r in o.replicas))}

    def route(self, name: str = "m") -> Route:
        route = self.routes.route(name)
        assert route is not None
        return route

    def events(self, kind: str, name: str = "m") -> int:
        return sum(event.kind == kind for event in list_events(self.db, name, limit=10_000))

    def has_nothing_to_do(self) -> bool:
        """True if nothing is planned for any deployment."""
        for name in self.cluster.names():
            situation = self.cluster.situation(name)
            assert situation is not None
            if has_work(situation, self.clock()):
                return False
        return True

    def close(self) -> None:
        self.plugins.close()
        self.db.close()
