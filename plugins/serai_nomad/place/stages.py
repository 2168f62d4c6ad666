"""What one more replica lacks on a node: the one thing that Nomad would have to see change first."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from fnmatch import fnmatchcase

from serai_nomad.facts import DeviceInstance, NodeFacts

from .asks import Ask, VolumeAsk
from .conditions import does_node_meet
from .devices_match import matching
from .rooms import Room

ANY_POOL = "all"


class Stage(IntEnum):
    """What a node fails at, the nearer to a place the higher. Up to SIZE waiting does not help, from NODE on it can."""

    POOL = 1
    DATACENTER = 2
    DEVICE = 3
    CONSTRAINT = 4
    DRIVER = 5
    VOLUME = 6
    SIZE = 7
    NODE = 8
    UNHEALTHY = 9
    ALONE = 10
    PORT = 11
    TAKEN = 12
    BUSY = 13
    FITS = 14


def find_stage(ask: Ask, room: Room) -> Stage:
    """Return what keeps a replica from the node: the first of Stage that does, FITS for nothing."""
    return _find_lack(ask, room) or _find_obstacle(ask, room)


def _find_lack(ask: Ask, room: Room) -> Stage | None:
    """Return what the node does not have, and will not have by waiting."""
    node = room.node
    if ask.pool not in {node.pool, ANY_POOL}:
        return Stage.POOL
    if not any(fnmatchcase(node.datacenter, glob) for glob in ask.datacenters):
        return Stage.DATACENTER
    if choose_devices(ask, room, lambda _: True) is None:
        return Stage.DEVICE
    if any(does_node_meet(constraint, node) is False for constraint in ask.constraints):
        return Stage.CONSTRAINT
    if not ask.drivers <= node.drivers:
        return Stage.DRIVER
    if any(lacks_volume(volume, node) for volume in ask.volumes):
        return Stage.VOLUME
    return Stage.SIZE if find_short(ask, node, node) else None


def _find_obstacle(ask: Ask, room: Room) -> Stage:
    """Return what keeps a replica from a node that could hold it."""
    if not room.node.is_ready:
        return Stage.NODE
    if choose_devices(ask, room, lambda unit: unit.is_healthy) is None:
        return Stage.UNHEALTHY
    if ask.is_alone and (ask.namespace, ask.job) in room.jobs:
        return Stage.ALONE
    if find_taken_ports(ask, room):
        return Stage.PORT
    if choose_devices(ask, room, lambda unit: unit.is_healthy and unit.id not in room.held_devices) is None:
        return Stage.TAKEN
    return Stage.BUSY if find_short(ask, room, room.node) else Stage.FITS


def find_taken_ports(ask: Ask, room: Room) -> frozenset[int]:
    """Return the fixed ports that are taken at each of the node's addresses: a port is one address's."""
    return frozenset(port for port in ask.ports if room.ports.count(port) >= room.node.addresses)


def lacks_volume(volume: VolumeAsk, node: NodeFacts) -> bool:
    is_locked = not volume.read_only and volume.source in node.read_only_volumes
    return volume.source not in node.volumes or is_locked


def choose_devices(
    ask: Ask, room: Room, is_usable: Callable[[DeviceInstance], bool]
) -> dict[tuple[str, str, str], tuple[str, ...]] | None:
    """Return devices for one replica, None where there are too few; each entry is served from one group."""
    chosen: dict[tuple[str, str, str], tuple[str, ...]] = {}
    taken: set[str] = set()
    for entry in ask.devices:
        for group in matching(room.devices, entry):
            ids = [unit.id for unit in group.instances if is_usable(unit) and unit.id not in taken]
            if len(ids) >= entry.count:
                chosen[group.vendor, group.type, group.model] = tuple(ids[: entry.count])
                taken.update(ids[: entry.count])
                break
        else:
            return None
    return chosen


def find_short(ask: Ask, has: Room | NodeFacts, node: NodeFacts) -> tuple[str, ...]:
    """Return which of `cores`, `cpu`, `memory` and `disk` are not enough in what `has` of the node's."""
    sizes = {
        "cores": (ask.cores, has.cores),
        "cpu": (needed_mhz(ask, node), has.mhz),
        "memory": (ask.memory_mb, has.memory_mb),
        "disk": (ask.disk_mb, has.disk_mb),
    }
    return tuple(name for name, (needed, there) in sizes.items() if needed > there)


def needed_mhz(ask: Ask, node: NodeFacts) -> int:
    """Return the MHz of one replica: whole cores bring those of the node's cores."""
    return ask.mhz + ask.cores * node.core_mhz
