"""Which blocked jobs Nomad has to be asked to look at again, as nothing else would wake them.

A job whose evaluation found too few healthy devices on every node has ruled out these nodes' classes. A device that
heals changes no class, so the job stays blocked for ever; an evaluation places it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serai_nomad.facts import ClusterFacts, Json

from .ledger import KnownJob

EVERY_S = 60.0
_MISSING = "missing devices"


def healthy_devices(cluster: ClusterFacts) -> Mapping[tuple[str, str], int]:
    """Return how many healthy devices each (node, model) has, on nodes where something can be placed."""
    return {
        (node.id, f"{group.vendor}/{group.type}/{group.model}"): sum(i.is_healthy for i in group.instances)
        for node in cluster.nodes
        if node.is_ready
        for group in node.devices
    }


def has_healed(before: Mapping[tuple[str, str], int], after: Mapping[tuple[str, str], int]) -> bool:
    return any(count > before.get(key, 0) for key, count in after.items())


def blocked_on_devices(jobs: Iterable[KnownJob]) -> list[str]:
    """Return the jobs with an evaluation that is blocked because devices are missing."""
    return [job.id for job in jobs if any(_misses_devices(evaluation) for evaluation in job.evaluations)]


def _misses_devices(evaluation: Json) -> bool:
    if evaluation.get("Status") != "blocked":
        return False
    metrics = (evaluation.get("FailedTGAllocs") or {}).values()
    return any(_MISSING in (metric.get("ConstraintFiltered") or {}) for metric in metrics if metric)
