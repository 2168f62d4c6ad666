"""Which deployments need no look: just as they were when a look found nothing to do and nothing to wait for."""

from __future__ import annotations

from datetime import datetime

from serai.domain.handover import Situation

from .plan import plan_orders, plan_writes
from .views import Freshness


class Quiet:
    """Remembers settled situations, so that a full tick costs little where nothing has changed."""

    def __init__(self) -> None:
        self._settled: dict[str, tuple[Situation, Freshness]] = {}

    def is_quiet(self, name: str, situation: Situation | None, freshness: Freshness) -> bool:
        return situation is not None and self._settled.get(name) == (situation, freshness)

    def note(self, name: str, situation: Situation | None, freshness: Freshness, now: datetime) -> None:
        """Remember a situation that has just been announced, if nothing is to be done and time cannot change it."""
        if situation is not None and is_timeless(situation) and not has_work(situation, now):
            self._settled[name] = (situation, freshness)
        else:
            self._settled.pop(name, None)


def has_work(situation: Situation, now: datetime) -> bool:
    """True if anything is planned."""
    return bool(plan_writes(situation, now) or plan_orders(situation))


def is_timeless(situation: Situation) -> bool:
    """True if no deadline runs: stopped and gone, or all that is wanted is ready and nothing is leaving."""
    active, count = situation.active, situation.deployment.count
    if situation.incumbent is not None:
        return False
    others = [v for v in situation.versions.values() if active is None or v.number != active.number]
    if any(situation.has_live(version) for version in others):
        return False
    return active is None or situation.ready(active) == count == len(situation.replicas(active))
