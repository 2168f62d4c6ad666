"""Hold back orders that would stop replicas with requests in flight, until these are drained."""

from __future__ import annotations

from dataclasses import replace

from serai.domain.handover import Situation
from serai.domain.observation import Observation, Phase, Replica, Workload
from serai.plugin.scheduler import Scheduler

from .actions import Stop
from .drains import Drains


class Departures:
    """Decides for one deployment at a time which orders may go now: ask all its orders, then call `settle`."""

    def __init__(self, scheduler: Scheduler, drains: Drains) -> None:
        self._scheduler = scheduler
        self._drains = drains

    def stopped_by(self, situation: Situation, number: int, order: Stop | Workload) -> tuple[str, ...]:
        """Return the replicas with requests perhaps in flight that an order about version `number` would stop."""
        observation = situation.observations.get(number)
        if observation is None:
            return ()
        serving = {replica.id for replica in observation.replicas if replica.live and _may_serve(replica)}
        if isinstance(order, Stop):
            return tuple(sorted(serving))
        return tuple(sorted(serving & set(self._scheduler.surplus(order)))) if _shrinks(observation, order) else ()

    def may_go(self, situation: Situation, number: int, victims: tuple[str, ...]) -> bool:
        """True once all `victims`, replicas of version `number`, are drained."""
        version = situation.versions.get(number)
        return not victims or version is None or self._drains.is_drained(victims, version.spec.drain_timeout_s)

    def settle(self, situation: Situation, victims: set[str]) -> None:
        """Say which replicas of the deployment are leaving, all orders considered."""
        self._drains.set_leaving(situation.deployment.name, victims)


def with_leaving(workload: Workload, victims: tuple[str, ...]) -> Workload:
    """Return the workload that names the drained replicas, so that the scheduler stops these and no others."""
    return replace(workload, leaving=victims)


def _may_serve(replica: Replica) -> bool:
    """True for one that is ready, and for one that was: a model whose checks fail may be busy with its requests."""
    return replica.ready or replica.phase is Phase.CHECKING


def _shrinks(observation: Observation, workload: Workload) -> bool:
    return observation.digest == workload.digest and observation.count > workload.count
