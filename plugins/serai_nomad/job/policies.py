"""What Nomad does by itself about a replica that ends, a node that goes, and a count that changes."""

from __future__ import annotations

from serai.domain.spec import CheckKind, Spec
from serai_nomad.facts import Json
from serai_nomad.settings import NomadSettings

from .durations import nanoseconds

# Scaling is never refused and a blocked replica never forgotten only where Nomad makes no rollouts of its own.
NO_ROLLOUTS: Json = {"MaxParallel": 0}


def make_policies(spec: Spec, settings: NomadSettings) -> dict[str, object]:
    """Return the group's policies."""
    policies: dict[str, object] = {
        # Mode "delay" would hide a crash loop behind a replica that is pending for ever.
        "RestartPolicy": {"Attempts": 2, "Interval": nanoseconds(300), "Delay": nanoseconds(2), "Mode": "fail"},
        # Endless: when to give up is for Serai's deadlines to say, and each try tells when the next one comes.
        "ReschedulePolicy": {
            "Attempts": 0,
            "Unlimited": True,
            "Delay": nanoseconds(5),
            "DelayFunction": "exponential",
            "MaxDelay": nanoseconds(60),
        },
        "Migrate": {
            "MaxParallel": 1,
            "HealthCheck": "checks" if spec.health.kind is CheckKind.HTTP else "task_states",
            "MinHealthyTime": nanoseconds(1),
            "HealthyDeadline": nanoseconds(spec.start_timeout_s + 60),
        },
        "ShutdownDelay": nanoseconds(settings.shutdown_delay_s),
    }
    if settings.lost_after_s:
        lost_after = nanoseconds(settings.lost_after_s)
        policies["Disconnect"] = {"LostAfter": lost_after, "Replace": True, "Reconcile": "best_score"}
    return policies
