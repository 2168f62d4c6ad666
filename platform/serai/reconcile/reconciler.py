"""One tick: observe, settle each deployment, clean up what belongs to none, announce what became different."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime

from serai.domain.errors import Conflict, SchedulerError, SchedulerUnavailable, SeraiError
from serai.domain.observation import Observation
from serai.plugin.scheduler import Scheduler

from .announce import Announcer
from .cluster import Cluster
from .jumps import Jumps, plan_shift
from .news import NewsDesk
from .perform import Performer
from .plan import plan_orphans
from .quiet import Quiet
from .settle import Settler
from .views import Freshness, explain_doubt

log = logging.getLogger(__name__)


class Reconciler:
    """Makes one scheduler match intent. `tick` has one caller at a time."""

    def __init__(
        self,
        cluster: Cluster,
        scheduler: Scheduler,
        performer: Performer,
        settler: Settler,
        announcer: Announcer,
        news: NewsDesk,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._scheduler = scheduler
        self._performer = performer
        self._settler = settler
        self._announcer = announcer
        self._news = news
        self._clock = clock
        self._quiet = Quiet()
        self._jumps = Jumps(monotonic)

    def tick(self, names: Collection[str] | None = None) -> None:
        """Look at some deployments, or at all with None, and do what is to be done about them.

        A scheduler that cannot be observed, out of reach or refusing, leaves everything as it was, marked stale, and
        nothing is ordered.
        """
        concerned = self._refresh(names)
        self._follow_clock()
        self._cluster.note_asking(True)
        try:
            self._observe(names)
            concerned = frozenset(name for name in concerned if not self._is_quiet(name))
            for name in sorted(concerned):
                self._settle(name)
            if names is None:
                self._clean_up()
        except SchedulerError as error:
            log.warning("the scheduler cannot be observed: %s", error.message)
            self._cluster.note_unreachable(explain_doubt(error))
            concerned = self._all_names()
        finally:
            self._cluster.note_asking(False)
        self._announcer.announce(concerned, complete=names is None)
        self._news.publish()
        self._remember_quiet(concerned)

    def _follow_clock(self) -> None:
        jump = self._jumps.measure(self._clock())
        if not jump:
            return
        log.warning("the clock jumped by %+.0f s: deadlines move with it", jump.total_seconds())
        for name in self._cluster.names():
            situation = self._cluster.situation(name)
            for write in plan_shift(situation, jump) if situation else ():
                self._performer.write(write)
            self._cluster.refresh(name)

    def _refresh(self, names: Collection[str] | None) -> frozenset[str]:
        if names is None:
            self._cluster.refresh_all()
            return self._all_names()
        for name in names:
            self._cluster.refresh(name)
        return frozenset(names)

    def _remember_quiet(self, names: Collection[str]) -> None:
        now = self._clock()
        for name in names:
            self._quiet.note(name, self._cluster.situation(name), self._cluster.freshness, now)

    def _is_quiet(self, name: str) -> bool:
        return self._quiet.is_quiet(name, self._cluster.situation(name), self._cluster.freshness)

    def _all_names(self) -> frozenset[str]:
        return frozenset(self._cluster.names()) | self._announcer.names()

    def _observe(self, names: Collection[str] | None) -> None:
        if names is None or self._cluster.freshness is not Freshness.FRESH:
            self._settler.look_at(None)
            return
        self._settler.look_at([workload for name in names for workload in self._cluster.workloads_of(name)])

    def _settle(self, name: str) -> None:
        try:
            self._settler.settle(name)
        except SchedulerUnavailable:
            raise
        except SeraiError as error:
            log.warning("%s: %s", name, error.message)
        except Exception:
            log.exception("%s: settling failed; the other deployments go on", name)

    def _clean_up(self) -> None:
        """Stop and forget workloads of ours that stand in no database row."""
        known = self._cluster.workloads()
        observed = self._cluster.observed()
        for order in plan_orphans(observed, known):
            log.warning("%s: runs but belongs to no version: stopping it", order.workload)
            self._performer.stop(order)
        for workload, seen in observed:
            if workload not in known and _is_over(seen):
                self._purge(workload)

    def _purge(self, workload: str) -> None:
        try:
            self._scheduler.purge(workload)
        except (Conflict, SchedulerError) as error:
            log.info("%s: cannot be forgotten yet: %s", workload, error.message)


def _is_over(seen: Observation) -> bool:
    return seen.count == 0 and not any(replica.live for replica in seen.replicas)
