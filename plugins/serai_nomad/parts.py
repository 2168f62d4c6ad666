"""Puts the plugin's parts together, once for each scheduler."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from serai.plugin import PluginContext
from serai_nomad.agent.api import NomadApi
from serai_nomad.agent.events import EventStream
from serai_nomad.job.fitting import Fitting
from serai_nomad.job.rendering import Rendering
from serai_nomad.job.submission import Submission
from serai_nomad.place.cluster_view import ClusterView
from serai_nomad.record.logbook import Logbook
from serai_nomad.watch.check_board import CheckBoard
from serai_nomad.watch.check_turns import CHECKS, PROBES
from serai_nomad.watch.check_watch import CheckWatch
from serai_nomad.watch.evidence import Evidence
from serai_nomad.watch.hints import Hints
from serai_nomad.watch.inquiry import Inquiry
from serai_nomad.watch.ledger import Ledger
from serai_nomad.watch.listening import Listening
from serai_nomad.watch.memory_file import MemoryFile
from serai_nomad.watch.meter import Meter
from serai_nomad.watch.observer import Observer
from serai_nomad.watch.places import Places

from .instance import load_instance
from .settings import NomadSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """What a NomadScheduler is made of. Threads run between `start` and `close`."""

    api: NomadApi
    pool: ThreadPoolExecutor
    probing: ThreadPoolExecutor
    metering: ThreadPoolExecutor
    submission: Submission
    observer: Observer
    hints: Hints
    logbook: Logbook
    meter: Meter
    fitting: Fitting
    watch: CheckWatch
    listening: Listening

    def start(self) -> None:
        self.watch.start()
        self.listening.start()

    def close(self) -> None:
        self.hints.close()
        self.watch.close()
        self.listening.close()
        for pool in (self.probing, self.metering, self.pool):
            pool.shutdown(wait=True, cancel_futures=True)
        self.api.close()


# Probes at a time: enough for a node's replicas that do not answer.
PROBES_AT_ONCE = 32


def make_parts(api: NomadApi, settings: NomadSettings, context: PluginContext) -> Parts:
    """Return the parts of a scheduler that speaks through `api`."""
    # One connection is the event stream's, and some are for the calls of people.
    pool = ThreadPoolExecutor(max(1, settings.connections // 2), thread_name_prefix="nomad")
    probing = ThreadPoolExecutor(PROBES_AT_ONCE, thread_name_prefix="nomad-probe")
    metering = ThreadPoolExecutor(max(1, settings.connections // 8), thread_name_prefix="nomad-meter")
    lanes = {PROBES: (probing, PROBES_AT_ONCE), CHECKS: (pool, max(1, settings.connections // 4))}
    instance = load_instance(context.data_dir, settings.instance)
    hints, places, cluster = Hints(), Places(api.allocation), ClusterView(api, pool)
    memory = MemoryFile(context.data_dir / "ready.json")
    board = CheckBoard(settings.check_interval_s, lambda: datetime.now(UTC), memory.load())
    ledger = Ledger(api, instance, pool, places)
    logbook = Logbook(api)
    rendering = Rendering(
        api, settings, cluster, instance, context.server_url, context.gateway_url, context.bundle_path
    )
    watch = CheckWatch(board, Inquiry(api, board, ledger, places).ask, lanes, hints.tell, memory.save)
    observer = Observer(ledger, board, watch, places, Evidence(logbook.tail), cluster.get_if_possible)
    return Parts(
        api=api,
        pool=pool,
        probing=probing,
        metering=metering,
        submission=Submission(api, instance, rendering.render, rendering.secrets),
        observer=observer,
        hints=hints,
        logbook=logbook,
        meter=Meter(api, ledger, places, cluster.get_if_possible, metering),
        fitting=Fitting(api, rendering, cluster),
        watch=watch,
        listening=Listening(api, EventStream(api), observer, ledger, cluster, hints),
    )
