"""Who is on which machine: the replicas of each version there, what each was promised, and what they use together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serai.domain.observation import NodeCapacity, Replica, Usage
from serai.domain.quantity import Cpu

from .views import DeploymentView, VersionView


@dataclass(frozen=True, slots=True)
class Tenant:
    """Live replicas of one version on one machine.

    `cpu` and `memory_bytes` are what each was promised, None where nothing was. What is used is of all together, None
    where none of them was measured; `gpus` are those that all together hold.
    """

    deployment: str
    version: int
    replicas: int
    cpu: Cpu | None = None
    memory_bytes: int | None = None
    gpus: int = 0
    cores_used: float | None = None
    memory_used_bytes: int | None = None


Tenants = Mapping[str, tuple[Tenant, ...]]
"""By the name of the machine, in the order of deployments and versions."""


def find_tenants(views: Iterable[DeploymentView], usage: Mapping[tuple[str, str], Usage]) -> Tenants:
    """Return who is on which machine; `usage` has the newest samples by workload and replica."""
    found: dict[str, list[Tenant]] = defaultdict(list)
    for version in sorted((version for view in views for version in view.versions), key=_order):
        by_node: dict[str, list[Replica]] = defaultdict(list)
        for replica in version.replicas:
            if replica.live and replica.node:
                by_node[replica.node].append(replica)
        for node, replicas in by_node.items():
            samples = [usage.get((version.version.workload, replica.id)) for replica in replicas]
            found[node].append(_make_tenant(version, replicas, [sample for sample in samples if sample]))
    return {node: tuple(tenants) for node, tenants in found.items()}


def find_rest(node: NodeCapacity, tenants: Iterable[Tenant]) -> tuple[float, int]:
    """Return the cores and bytes of a machine that are promised to others than `tenants`, 0 where that is not known.

    It is not where a tenant was promised nothing of it, as schedulers reserve something all the same; nor are the cores
    where a promise is in MHz, which only the machine's own clock could tell.
    """
    held = list(tenants)
    cores = memory = 0.0
    if all(one.cpu and one.cpu.cores for one in held):
        cores = node.cores_taken - sum(one.replicas * (one.cpu.cores or 0.0) for one in held if one.cpu)
    if all(one.memory_bytes for one in held):
        memory = node.memory_taken_bytes - sum(one.replicas * (one.memory_bytes or 0) for one in held)
    return round(max(0.0, cores), 2), round(max(0.0, memory))


def _order(version: VersionView) -> tuple[str, int]:
    return version.version.deployment, version.version.number


def _make_tenant(version: VersionView, replicas: list[Replica], samples: list[Usage]) -> Tenant:
    resources = version.version.spec.resources
    cores = [sample.cpu_user + (sample.cpu_system or 0.0) for sample in samples if sample.cpu_user is not None]
    memory = [sample.memory_used_bytes for sample in samples if sample.memory_used_bytes is not None]
    return Tenant(
        deployment=version.version.deployment,
        version=version.version.number,
        replicas=len(replicas),
        cpu=resources.cpu,
        memory_bytes=resources.memory_bytes,
        gpus=sum(len(replica.gpus) for replica in replicas),
        cores_used=sum(cores) if cores else None,
        memory_used_bytes=sum(memory) if memory else None,
    )
