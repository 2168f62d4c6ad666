"""A node with what is left of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from .devices_match import complete_groups
from .facts import ClusterFacts, DeviceGroup, Holding, NodeFacts


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
    ports: frozenset[int] = frozenset()
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
            ports=self.ports | holding.ports,
            jobs=self.jobs | {(holding.namespace, holding.job)},
        )


def make_rooms(cluster: ClusterFacts, freed: Collection[str] = (), namespace: str = "") -> list[Room]:
    """Return the room of each node, as if the jobs `freed` of `namespace` held nothing."""
    held = holdings_by_node(cluster)
    return [make_room(node, held[node.id], freed, namespace) for node in cluster.nodes]


def holdings_by_node(cluster: ClusterFacts) -> defaultdict[str, list[Holding]]:
    held: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in cluster.holdings:
        held[holding.node].append(holding)
    return held


def make_room(node: NodeFacts, held: Iterable[Holding], freed: Collection[str] = (), namespace: str = "") -> Room:
    held = list(held)
    room = Room(node, node.mhz, node.cores, node.memory_mb, node.disk_mb, complete_groups(node, held))
    for holding in held:
        if holding.namespace != namespace or holding.job not in freed:
            room = room.with_held(holding)
    return room


def make_idle(room: Room) -> Room:
    """Return the node as it would be at its best: up, its devices healthy, and nothing held."""
    up = replace(room.node, status="ready", is_eligible=True, is_draining=False)
    well = tuple(
        replace(group, instances=tuple(replace(unit, is_healthy=True) for unit in group.instances))
        for group in room.devices
    )
    return Room(up, up.mhz, up.cores, up.memory_mb, up.disk_mb, well)
