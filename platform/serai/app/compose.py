"""Build a server's parts from a configuration. No globals: two compositions in one process do not meet."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from serai.config import Configuration
from serai.domain.errors import PluginError
from serai.jobs.clockwork import Clockwork
from serai.plugin.context import PluginContext
from serai.plugin.facade import Plugins
from serai.plugin.registry import load_plugins
from serai.plugin.scheduler import Scheduler
from serai.reconcile.announce import Announcer
from serai.reconcile.attendance import Attendance
from serai.reconcile.changes import Changes
from serai.reconcile.cluster import Cluster
from serai.reconcile.core import Core
from serai.reconcile.drains import Drains
from serai.reconcile.foreign import Expectations
from serai.reconcile.keys import Keys
from serai.reconcile.lifecycle import Lifecycle
from serai.reconcile.log_collector import LogCollector
from serai.reconcile.lookout import Lookout
from serai.reconcile.loop import ReconcileLoop
from serai.reconcile.news import NewsDesk
from serai.reconcile.perform import Performer
from serai.reconcile.reconciler import Reconciler
from serai.reconcile.routes import RoutePublisher
from serai.reconcile.settle import Settler
from serai.store.blobs import BlobStore
from serai.store.database import Database
from serai.store.gateways import list_gateways
from serai.store.metrics import delete_metrics
from serai.store.usage import delete_usage
from serai.telemetry.intake import Intake
from serai.web.token_plugin import TokenAuthentication

from .files import load_or_make, make_private_folder
from .logs import make_log_store, make_logs


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Composition:
    """A server without its socket: `start` sets its threads going, `close` ends them; replicas go on."""

    core: Core
    reconciler: Reconciler
    loop: ReconcileLoop
    clockwork: Clockwork
    intake: Intake
    log_collector: LogCollector

    def start(self) -> None:
        self.loop.start()
        self.clockwork.start()
        self.log_collector.start()

    def close(self) -> None:
        """Release who waits, end threads, close what is open; the order lets each finish its last work."""
        core = self.core
        core.changes.close()
        core.routes.close()
        self.clockwork.close()
        self.log_collector.close()
        for scheduler in core.schedulers.values():
            scheduler.close()
        self.loop.close()
        self.intake.close()
        core.plugins.close()
        core.metrics.close()
        core.db.close()


def compose(
    configuration: Configuration,
    server_url: str,
    gateway_url: str,
    extra: Sequence[tuple[str, object]] = (),
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = monotonic,
) -> Composition:
    """Return the parts of a server that answers at `server_url`.

    `extra` are plugin objects by name beside those of the configuration (tests, embedding). `clock` is the wall clock
    and `monotonic` the one it is compared with to notice that it was set. Raise SeraiError.
    """
    data_dir = make_private_folder(configuration.data)
    db, metrics = Database.open(configuration.database_url), Database.open(configuration.metrics_url)
    blobs, known_gateways = BlobStore(data_dir / "bundles"), list_gateways(db)
    plugins = load_plugins(configuration.plugins, [("tokens", TokenAuthentication(db, clock)), *extra])
    make_context = _context_maker(configuration, data_dir, blobs, db, server_url, gateway_url)
    schedulers = plugins.make_schedulers(make_context)
    scheduler = _choose(schedulers, configuration.scheduler)
    changes, drains = Changes(), Drains(monotonic, known_gateways)
    cluster = Cluster(db, changes, clock)
    routes = RoutePublisher(changes.first, plugins.tell_routes_changed)
    announcer = Announcer(cluster, changes, routes, drains, plugins.grants, clock)
    reconciler = _make_reconciler(db, scheduler, plugins, cluster, announcer, drains, clock, monotonic)
    loop = ReconcileLoop(reconciler, drains, configuration.tick)
    intake = Intake(metrics, plugins.make_sinks(make_context))
    log_store = make_log_store(plugins, make_context, configuration, data_dir / "logs")
    logs = make_logs(db, cluster, scheduler, log_store, intake.take_lines)
    nudge, forget = _make_nudge(announcer, loop), partial(_forget, metrics, logs.forget)
    lifecycle = Lifecycle(db, blobs, plugins, scheduler, cluster, nudge, forget, clock)
    core = Core(
        db=db,
        metrics=metrics,
        blobs=blobs,
        plugins=plugins,
        schedulers=schedulers,
        scheduler=scheduler,
        cluster=cluster,
        changes=changes,
        routes=routes,
        drains=drains,
        attendance=Attendance(db, drains, known_gateways),
        lifecycle=lifecycle,
        logs=logs.book,
        keys=Keys(db, plugins, plugins.make_key_store(make_context), cluster, changes, announcer.publish_access, clock),
        exposition=plugins.make_exposition(make_context),
        sign_ins=plugins.make_sign_ins(make_context),
        take_windows=intake.take,
        take_spans=intake.take_spans,
        sink_states=intake.feed.states,
        gateway_url=gateway_url,
        trace_url=configuration.trace_url,
        server_url=server_url,
        data_dir=data_dir,
        secret_key=_secret_key(data_dir),
        clock=clock,
        started_at=clock(),
    )
    return Composition(core, reconciler, loop, Clockwork(core, loop, intake, configuration), intake, logs.collector)


def _forget(metrics: Database, forget_logs: Callable[[str, int | None], None], name: str, number: int | None) -> None:
    forget_logs(name, number)
    delete_metrics(metrics, name, number)
    delete_usage(metrics, name, number)


def _make_reconciler(
    db: Database,
    scheduler: Scheduler,
    plugins: Plugins,
    cluster: Cluster,
    announcer: Announcer,
    drains: Drains,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float],
) -> Reconciler:
    expectations = Expectations()
    performer = Performer(db, scheduler, expectations, clock)
    lookout = Lookout(db, cluster, scheduler, expectations, clock)
    return Reconciler(
        cluster,
        scheduler,
        performer,
        Settler(cluster, scheduler, performer, lookout, drains, clock),
        announcer,
        NewsDesk(db, cluster, plugins.tell_deployment_changed),
        clock,
        monotonic,
    )


def _make_nudge(announcer: Announcer, loop: ReconcileLoop) -> Callable[[str], None]:
    def nudge(name: str) -> None:
        """Have a deployment looked at now. Who may call it holds at once, even while no scheduler can be observed."""
        announcer.publish_access([name])
        loop.nudge(name)

    return nudge


def _choose(schedulers: dict[str, Scheduler], name: str) -> Scheduler:
    if name not in schedulers:
        raise PluginError(
            f"the plugin {name!r} registers no scheduler; those that do: {', '.join(schedulers) or 'none'}"
        )
    return schedulers[name]


def _context_maker(
    configuration: Configuration, data_dir: Path, blobs: BlobStore, db: Database, server_url: str, gateway_url: str
) -> Callable[[str], PluginContext]:
    def make_context(plugin: str) -> PluginContext:
        settings = configuration.plugin_settings.get(plugin, {})
        return PluginContext(data_dir / "plugins" / plugin, settings, blobs.path, server_url, gateway_url, db)

    return make_context


def _secret_key(data_dir: Path) -> bytes:
    return bytes.fromhex(load_or_make(data_dir / "secret.key", lambda: secrets.token_hex(32)))
