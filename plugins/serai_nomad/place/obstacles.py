"""One sentence about the obstacle that the nodes nearest to taking a replica put up."""

from __future__ import annotations

from collections.abc import Callable

from serai.domain.reasons import Reason, make_reason

from .device_obstacles import explain_missing, explain_taken, explain_unhealthy
from .node_obstacles import (
    explain_alone,
    explain_datacenter,
    explain_driver,
    explain_match,
    explain_pool,
    explain_port,
    explain_state,
    explain_volume,
)
from .size_obstacles import explain_busy, explain_too_large
from .stages import Stage
from .survey import Survey

_EXPLAIN: dict[Stage, Callable[[Survey], Reason]] = {
    Stage.POOL: explain_pool,
    Stage.DATACENTER: explain_datacenter,
    Stage.DEVICE: explain_missing,
    Stage.CONSTRAINT: explain_match,
    Stage.DRIVER: explain_driver,
    Stage.VOLUME: explain_volume,
    Stage.SIZE: explain_too_large,
    Stage.NODE: explain_state,
    Stage.UNHEALTHY: explain_unhealthy,
    Stage.ALONE: explain_alone,
    Stage.PORT: explain_port,
    Stage.TAKEN: explain_taken,
    Stage.BUSY: explain_busy,
}


def explain_obstacle(survey: Survey) -> Reason | None:
    """Return why no node takes one more replica; None where one would, as far as we can count."""
    nearest = survey.nearest
    if nearest is None:
        return make_reason("no-node", "Nomad has no node.")
    return _EXPLAIN[nearest](survey) if nearest in _EXPLAIN else None
