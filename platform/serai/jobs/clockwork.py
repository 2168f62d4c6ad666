"""Periodic jobs of a server, run by APScheduler; a job that fails is logged and comes again."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from serai.config import Configuration
from serai.domain.errors import SchedulerError, SeraiError
from serai.reconcile.core import Core
from serai.reconcile.loop import ReconcileLoop
from serai.store import events, versions
from serai.store.metrics import prune_metrics, roll_up
from serai.telemetry.intake import Intake

log = logging.getLogger(__name__)

SAMPLE_S = 10
ROLL_UP_S = 60
CLEAN_UP_S = 3600
# A bundle is uploaded before its version is made: for so long nothing refers to it.
YOUNG_BUNDLE = timedelta(hours=6)


class Clockwork:
    """Starts and ends the jobs; also carries the scheduler's hints to the reconcile loop."""

    def __init__(self, core: Core, loop: ReconcileLoop, intake: Intake, configuration: Configuration) -> None:
        self._core = core
        self._intake = intake
        self._configuration = configuration
        self._hints = threading.Thread(target=loop.follow, args=(core.scheduler.hints(),), name="hints", daemon=True)
        self._jobs = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._jobs.add_job(self.sample_usage, "interval", seconds=SAMPLE_S)
        self._jobs.add_job(self.roll_up, "interval", seconds=ROLL_UP_S)
        self._jobs.add_job(self.clean_up, "interval", seconds=CLEAN_UP_S)

    def start(self) -> None:
        self._hints.start()
        self._jobs.start()

    def close(self) -> None:
        """End the jobs; the hints end with their scheduler."""
        if self._jobs.running:
            self._jobs.shutdown(wait=True)

    def sample_usage(self) -> None:
        """Take one sample of each replica for readers and sinks."""
        cluster = self._core.cluster
        try:
            samples = self._core.scheduler.usage(None)
        except SchedulerError as error:
            log.info("no usage this time: %s", error.message)
            return
        workloads = {replica.id: workload for workload, seen in cluster.observed() for replica in seen.replicas}
        cluster.note_usage(samples, workloads)
        self._intake.take_usage([sample for sample in samples if sample.missing is None])

    def roll_up(self) -> None:
        """Sum up figures whose time has passed, so that long ranges are answered fast."""
        try:
            roll_up(self._core.metrics, self._core.clock())
        except SeraiError as error:
            log.warning("rolling up figures failed: %s", error.message)

    def clean_up(self) -> None:
        """Forget what is older than the configuration keeps."""
        now = self._core.clock()
        try:
            events.prune_events(self._core.db, now - timedelta(seconds=self._configuration.keep_events))
            prune_metrics(self._core.metrics, now)
            used = {version.spec.bundle for version in versions.all_versions(self._core.db)}
            self._core.blobs.sweep(used, YOUNG_BUNDLE)
        except SeraiError as error:
            log.warning("cleaning up failed: %s", error.message)
