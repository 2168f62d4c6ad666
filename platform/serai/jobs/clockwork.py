"""Periodic jobs of a server, run by APScheduler; a job that fails is logged and comes again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from serai.config import Configuration
from serai.domain.errors import SchedulerError, SeraiError
from serai.domain.observation import Usage
from serai.reconcile.core import Core
from serai.reconcile.loop import ReconcileLoop
from serai.store import events, versions
from serai.store.metrics import Retention, prune_metrics, roll_up
from serai.store.usage import prune_usage, roll_up_usage, take_usage
from serai.telemetry.intake import Intake

log = logging.getLogger(__name__)

SAMPLE_S = 10
ROLL_UP_S = 60
CLEAN_UP_S = 3600
PRUNE_LOGS_S = 300
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
        self._jobs.add_job(self.sample_usage, "interval", seconds=SAMPLE_S, start_date=find_first_sample(time.time()))
        self._jobs.add_job(self.roll_up, "interval", seconds=ROLL_UP_S)
        self._jobs.add_job(self.clean_up, "interval", seconds=CLEAN_UP_S)
        self._jobs.add_job(self.prune_logs, "interval", seconds=PRUNE_LOGS_S)

    def start(self) -> None:
        self._hints.start()
        self._jobs.start()

    def close(self) -> None:
        """End the jobs; the hints end with their scheduler."""
        if self._jobs.running:
            self._jobs.shutdown(wait=True)

    def sample_usage(self) -> None:
        """Take one sample of each replica for readers, the store and sinks."""
        cluster = self._core.cluster
        try:
            samples = self._core.scheduler.usage(None)
        except SchedulerError as error:
            log.info("no usage this time: %s", error.message)
            return
        workloads = {replica.id: workload for workload, seen in cluster.observed() for replica in seen.replicas}
        cluster.note_usage(samples, workloads)
        measured = [sample for sample in samples if sample.missing is None]
        self._intake.take_usage(measured, workloads)
        self._keep(measured, workloads)

    def _keep(self, samples: Sequence[Usage], workload_of: Mapping[str, str]) -> None:
        known = self._core.cluster.workloads()  # what is not ours, or was deleted, leaves nothing behind
        try:
            take_usage(self._core.metrics, samples, {id: own for id, own in workload_of.items() if own in known})
        except SeraiError as error:
            log.warning("samples of this time are lost: %s", error.message)

    def roll_up(self) -> None:
        """Sum up figures whose time has passed, so that long ranges are answered fast."""
        try:
            roll_up(self._core.metrics, self._core.clock())
            roll_up_usage(self._core.metrics, self._core.clock())
        except SeraiError as error:
            log.warning("rolling up figures failed: %s", error.message)

    def prune_logs(self) -> None:
        """Keep logs within their limits; those of versions that were deleted go."""
        try:
            self._core.logs.prune(self._core.clock())
        except (SeraiError, OSError) as error:
            log.warning("shortening logs failed: %s", error)

    def clean_up(self) -> None:
        """Forget what is older than the configuration keeps."""
        now = self._core.clock()
        try:
            events.prune_events(self._core.db, now - timedelta(seconds=self._configuration.keep_events))
            keep_s = self._configuration.keep_figures_s
            prune_metrics(self._core.metrics, now, Retention(keep_s))
            prune_usage(self._core.metrics, now, keep_s)
            used = {version.spec.bundle for version in versions.all_versions(self._core.db)}
            self._core.blobs.sweep(used, YOUNG_BUNDLE)
            self._core.attendance.forget_silent()
        except SeraiError as error:
            log.warning("cleaning up failed: %s", error.message)


def find_first_sample(now: float) -> datetime:
    """Return the middle of the next 10 s of the clock: a job a little early or late stays in its own interval."""
    return datetime.fromtimestamp((now // SAMPLE_S + 1.5) * SAMPLE_S, UTC)
