"""The nodes for people: what they have, what is promised, and which deployment has which GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from serai.domain.errors import Invalid
from serai.domain.names import parse_workload_id
from serai.domain.observation import OTHER, GpuUnit, NodeCapacity, NodeStatus
from serai_nomad.facts import ClusterFacts, DeviceGroup, Holding, NodeFacts

from .devices_match import complete_groups

_MIB = 2**20


def derive_capacity(cluster: ClusterFacts, namespace: str) -> list[NodeCapacity]:
    """Return the nodes by pool and name. `namespace` is where our jobs are; what other jobs hold is theirs."""
    held: dict[str, list[Holding]] = {node.id: [] for node in cluster.nodes}
    for holding in cluster.holdings:
        held.get(holding.node, []).append(holding)
    nodes = sorted(cluster.nodes, key=lambda node: (node.pool, _natural(node.name), node.id))
    return [_describe(node, held[node.id], namespace) for node in nodes]


def _describe(node: NodeFacts, held: list[Holding], namespace: str) -> NodeCapacity:
    mhz = sum(holding.mhz for holding in held)
    return NodeCapacity(
        name=node.name,
        cores=float(node.cores),
        cores_taken=round(mhz / node.core_mhz, 2) if node.core_mhz else float(sum(h.cores for h in held)),
        memory_bytes=node.memory_mb * _MIB,
        memory_taken_bytes=sum(holding.memory_mb for holding in held) * _MIB,
        gpus=tuple(_units(complete_groups(node, held), name_holders(held, namespace))),
        status=find_status(node),
        pool=node.pool,
        datacenter=node.datacenter,
        node_class=node.node_class,
    )


def find_status(node: NodeFacts) -> NodeStatus:
    if node.status == "disconnected":
        return NodeStatus.DISCONNECTED
    if node.status != "ready":
        return NodeStatus.DOWN
    if node.is_draining:
        return NodeStatus.DRAINING
    return NodeStatus.READY if node.is_eligible else NodeStatus.INELIGIBLE


def name_holders(held: Iterable[Holding], namespace: str) -> Mapping[str, str]:
    """Return device id -> workload id of ours, or OTHER."""
    return {
        id: holding.job if holding.namespace == namespace and _is_workload(holding.job) else OTHER
        for holding in held
        for ids in holding.device_ids.values()
        for id in ids
    }


def _is_workload(job: str) -> bool:
    try:
        parse_workload_id(job)
    except Invalid:
        return False
    return True


def _units(groups: Iterable[DeviceGroup], holders: Mapping[str, str]) -> Iterable[GpuUnit]:
    for group in groups:
        model = group.model if group.type == "gpu" else f"{group.type} {group.model}"
        for unit in sorted(group.instances, key=lambda unit: _natural(unit.id)):
            yield GpuUnit(
                unit.id, model, group.memory_bytes, holders.get(unit.id, ""), unit.is_healthy, unit.description
            )


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which gpu-2 comes before gpu-10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name) if part]
