"""How many replicas find a place on nodes as they are, without asking Nomad."""

from __future__ import annotations

from collections.abc import Iterable

from .asks import Ask
from .facts import Holding
from .rooms import Room
from .stages import Stage, choose_devices, find_stage, needed_mhz


def put(ask: Ask, room: Room) -> Room:
    """Return what is left of a node on which one more replica fits."""
    chosen = choose_devices(ask, room, lambda unit: unit.is_healthy and unit.id not in room.held_devices)
    return room.with_held(
        Holding(
            allocation="",
            job=ask.job,
            namespace=ask.namespace,
            node=room.node.id,
            mhz=needed_mhz(ask, room.node),
            cores=ask.cores,
            memory_mb=ask.memory_mb,
            disk_mb=ask.disk_mb,
            ports=ask.ports,
            device_ids=chosen or {},
        )
    )


def fill(ask: Ask, rooms: Iterable[Room], count: int) -> tuple[list[Room], int]:
    """Put up to `count` replicas; return what is left of the nodes, and how many found a place.

    Replicas of one job are alike, so that the order of the nodes makes no difference to their number.
    """
    left, placed = [], 0
    for room in rooms:
        rest = room
        while placed < count and find_stage(ask, rest) is Stage.FITS:
            rest, placed = put(ask, rest), placed + 1
        left.append(rest)
    return left, placed
