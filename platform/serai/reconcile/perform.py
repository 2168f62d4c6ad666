"""Do what was planned: store, order. One failure never stops the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from serai.domain.errors import Invalid, NotFound, NotSupported, SchedulerError, SchedulerUnavailable
from serai.domain.observation import Observation, Workload
from serai.domain.reasons import make_reason
from serai.plugin.scheduler import Scheduler
from serai.store import versions
from serai.store.database import Database

from .actions import ChooseHandover, Fail, FinishHandover, NoteProgress, Stop, Submit, Write
from .foreign import Expectations

log = logging.getLogger(__name__)


class Performer:
    """Carries out actions on the store and on one scheduler."""

    def __init__(
        self, db: Database, scheduler: Scheduler, expectations: Expectations, clock: Callable[[], datetime]
    ) -> None:
        self._db = db
        self._scheduler = scheduler
        self._expectations = expectations
        self._clock = clock

    def write(self, action: Write) -> bool:
        """Store a decision; False if intent has moved on since it was made."""
        now = self._clock()
        match action:
            case NoteProgress(deployment, number, run, progress):
                return versions.set_progress(self._db, deployment, number, run, progress)
            case Fail(deployment, number, run, outcome):
                log.info("%s-v%d: failed: %s (%s)", deployment, number, outcome.code, outcome.text)
                return versions.fail_version(self._db, deployment, number, run, outcome, now)
            case ChooseHandover(deployment, active, incumbent, mode):
                log.info("%s: v%d takes over from v%d: %s", deployment, active, incumbent, mode.value)
                return versions.choose_handover(self._db, deployment, active, incumbent, mode, now)
            case FinishHandover(deployment, active, incumbent):
                log.info("%s: v%d has taken over from v%d", deployment, active, incumbent)
                return versions.finish_handover(self._db, deployment, active, incumbent, now)

    def make_workload(self, action: Submit) -> Workload | None:
        """Return the workload of an order; None if the version or its run is not what was decided about."""
        try:
            version = versions.get_version(self._db, action.deployment, action.number)
        except NotFound:
            return None
        if version.run_digest != action.digest:
            return None
        secrets = versions.load_secrets(self._db, action.deployment, action.number)
        env = {"SERAI_DEPLOYMENT": action.deployment, "SERAI_VERSION": str(action.number), **secrets}
        return Workload(
            version.workload, action.deployment, action.number, version.spec, action.digest, action.count, env
        )

    def submit(self, workload: Workload) -> Observation | None:
        """Tell the scheduler; return None, or where it refuses what is to be known of the workload instead."""
        log.info("%s: submit %d replicas of %s", workload.id, workload.count, workload.digest)
        self._expectations.note_order(workload.id, workload.digest, workload.count)
        try:
            self._scheduler.submit(workload)
        except SchedulerUnavailable:
            raise
        except (Invalid, NotSupported) as error:
            code = "not-supported" if isinstance(error, NotSupported) else "scheduler-error"
            return Observation(workload.digest, 0, failed=make_reason(code, error.message))
        except SchedulerError as error:
            log.warning("%s: the scheduler refused: %s", workload.id, error.message)
            return Observation(workload.digest, 0, waiting=make_reason("scheduler-error", error.message))
        return None

    def stop(self, action: Stop) -> None:
        log.info("%s: stop", action.workload)
        self._expectations.note_order(action.workload, "", 0)
        self._scheduler.stop(action.workload)
