"""What the news hooks carry."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.deployment import Deployment, Event


@dataclass(frozen=True, slots=True)
class DeploymentChange:
    """An event of the timeline and the deployment after it; None once it is deleted."""

    event: Event
    deployment: Deployment | None
