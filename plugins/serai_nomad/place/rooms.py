"""A node with what is left of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from serai_nomad.facts import ClusterFacts, DeviceGroup, Holding, NodeFacts

from .devices_match import complete_groups


@dataclass(frozen=True, slots=True)
class Room:
    """`devices` are all of the node's; `held_devices` the ids that are taken, `jobs` who has something there."""

    node: NodeFacts
    mhz: int
    cores: int
    memory_mb: int
    disk_mb: int
    devices: tuple[DeviceGroup, ...] = ()
    held_devices: frozenset[str] = frozenset()
    ports: tuple[int, ...] = ()
    jobs: frozenset[tuple[str, str]] = frozenset()

    def with_held(self, holding: Holding) -> Room:
        """Return what is left beside `holding`."""
        ids = [id for held in holding.device_ids.values() for id in held]
        return replace(
            self,
            mhz=self.mhz - holding.mhz,
            cores=self.cores - holding.cores,
            memory_mb=self.memory_mb - holding.memory_mb,
            disk_mb=self.disk_mb - holding.disk_mb,
            held_devices=self.held_devices.union(ids),
            ports=(*self.ports, *holding.ports),
            jobs=self.jobs | {(holding.namespace, holding.job)},
        )


@lru_cache(maxsize=4)
def keep_rooms(cluster: ClusterFacts) -> tuple[Room, ...]:
    """Return `make_rooms`, made once for each cluster: all jobs that wait ask this of the same one."""
    return make_rooms(cluster)


def make_rooms(cluster: ClusterFacts) -> tuple[Room, ...]:
    """Return what is left of each node, in the cluster's order."""
    held: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in cluster.holdings:
        held[holding.node].append(holding)
    return tuple(_make_room(node, held[node.id]) for node in cluster.nodes)


def _make_room(node: NodeFacts, held: list[Holding]) -> Room:
    return Room(
        node=node,
        mhz=node.mhz - sum(h.mhz for h in held),
        cores=node.cores - sum(h.cores for h in held),
        memory_mb=node.memory_mb - sum(h.memory_mb for h in held),
        disk_mb=node.disk_mb - sum(h.disk_mb for h in held),
        devices=complete_groups(node, held),
        held_devices=frozenset(id for h in held for ids in h.device_ids.values() for id in ids),
        ports=tuple(port for h in held for port in h.ports),
        jobs=frozenset((h.namespace, h.job) for h in held),
    )


def free_jobs(cluster: ClusterFacts, namespace: str, jobs: Collection[str]) -> ClusterFacts:
    """Return the cluster as it would be without these jobs."""
    kept = (held for held in cluster.holdings if held.namespace != namespace or held.job not in jobs)
    return replace(cluster, holdings=tuple(kept))


def make_idle(room: Room) -> Room:
    """Return the node as it would be at its best: up, its devices healthy, and nothing held."""
    well = tuple(
        replace(group, instances=tuple(replace(unit, is_healthy=True) for unit in group.instances))
        for group in room.devices
    )
    node = replace(room.node, status="ready", is_eligible=True, is_draining=False, devices=well)
    return _make_room(node, [])
