"""Bring one deployment nearer to what is wanted: store what follows from what is seen, then order what is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from serai.domain.deployment import HandoverMode
from serai.domain.errors import NotSupported
from serai.domain.handover import Situation, choose_mode
from serai.domain.names import parse_workload_id
from serai.domain.observation import Fit, Observation, Workload
from serai.plugin.scheduler import Scheduler

from .actions import Stop, Submit
from .cluster import Cluster
from .departures import Departures, with_leaving
from .drains import Drains
from .lookout import Lookout
from .perform import Performer
from .plan import needs_mode, plan_mode, plan_orders, plan_writes

# A write changes what is wanted, which may call for another write: failure, return to the incumbent, its progress.
MAX_ROUNDS = 5


class Settler:
    """Settles deployments one at a time, on one scheduler."""

    def __init__(
        self,
        cluster: Cluster,
        scheduler: Scheduler,
        performer: Performer,
        lookout: Lookout,
        drains: Drains,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._scheduler = scheduler
        self._performer = performer
        self._lookout = lookout
        self._departures = Departures(scheduler, drains)
        self._clock = clock

    def look_at(self, workloads: Collection[str] | None) -> None:
        """Observe some workloads now, or all with None."""
        if workloads is None or workloads:
            self._lookout.look(workloads)

    def settle(self, name: str) -> None:
        """Do everything that can be done for a deployment now. Raise SchedulerUnavailable."""
        for _ in range(MAX_ROUNDS):
            situation = self._cluster.situation(name)
            if situation is None:
                return
            if not self._store(situation):
                self._order(situation)
                return

    def _store(self, situation: Situation) -> bool:
        """Store what follows from the situation; True if that may have changed it."""
        writes = list(plan_writes(situation, self._clock()))
        if not writes and needs_mode(situation):
            writes.append(plan_mode(situation, self._choose_mode(situation)))
        for write in writes:
            self._performer.write(write)
        if writes:
            self._cluster.refresh(situation.deployment.name)
        return bool(writes)

    def _choose_mode(self, situation: Situation) -> HandoverMode:
        asked, count = situation.deployment.settings.handover, situation.deployment.count
        if asked is not HandoverMode.AUTO or situation.active is None or situation.incumbent is None:
            return choose_mode(asked, count, None, None)
        version = situation.active
        submit = Submit(version.deployment, version.number, version.run_digest, count)
        workload = self._performer.make_workload(submit)
        if workload is None:
            return choose_mode(asked, count, None, None)
        instead = self._fit(workload, (situation.incumbent.workload,))
        return choose_mode(asked, count, self._fit(workload, ()), instead)

    def _fit(self, workload: Workload, freeing: tuple[str, ...]) -> Fit | None:
        try:
            return self._scheduler.fit(workload, freeing)
        except NotSupported:
            return None

    def _order(self, situation: Situation) -> None:
        touched: list[str] = []
        refusals: dict[str, Observation] = {}
        leaving: set[str] = set()
        for order, number in self._resolve(plan_orders(situation)):
            victims = self._departures.stopped_by(situation, number, order)
            leaving.update(victims)
            if not self._departures.may_go(situation, number, victims):
                continue
            if isinstance(order, Stop):
                self._performer.stop(order)
            elif refusal := self._performer.submit(with_leaving(order, victims)):
                refusals[order.id] = refusal
            touched.append(order.workload if isinstance(order, Stop) else order.id)
        self._departures.settle(situation, leaving)
        self.look_at(touched)
        self._cluster.note(refusals, frozenset(refusals))

    def _resolve(self, orders: Iterable[Submit | Stop]) -> Iterable[tuple[Workload | Stop, int]]:
        for order in orders:
            if isinstance(order, Stop):
                yield order, parse_workload_id(order.workload)[1]
            elif workload := self._performer.make_workload(order):
                yield workload, workload.version
