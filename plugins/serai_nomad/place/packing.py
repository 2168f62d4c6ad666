"""How many replicas find a place on nodes as they are, without asking Nomad."""

from __future__ import annotations

from collections.abc import Iterable

from serai_nomad.facts import Holding

from .asks import Ask
from .rooms import Room
from .stages import Stage, choose_devices, find_stage, needed_mhz


def fill(ask: Ask, rooms: Iterable[Room], count: int) -> tuple[Holding, ...]:
    """Return what up to `count` replicas would hold, each on a node where it fits beside those before it.

    Replicas of one job are alike, so that the order of the nodes makes no difference to how many fit.
    """
    placed: list[Holding] = []
    for room in rooms:
        rest = room
        while len(placed) < count and find_stage(ask, rest) is Stage.FITS:
            placed.append(_put(ask, rest))
            rest = rest.with_held(placed[-1])
    return tuple(placed)


def count_places(ask: Ask, room: Room, most: int) -> int:
    """Return how many replicas, of `most` at least as many as are wanted, fit on one node."""
    return len(fill(ask, [room], most))


def _put(ask: Ask, room: Room) -> Holding:
    chosen = choose_devices(ask, room, lambda unit: unit.is_healthy and unit.id not in room.held_devices)
    return Holding(
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
