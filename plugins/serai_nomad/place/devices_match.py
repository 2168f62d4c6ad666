"""Which devices of a node an entry of `Devices` can be served with, and how many of them are healthy and free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from serai_nomad.facts import DeviceGroup, DeviceInstance, Holding, NodeFacts

from .asks import DeviceAsk
from .conditions import does_group_meet

GONE = "its device plugin no longer reports it"


@dataclass(frozen=True, slots=True)
class Tally:
    """Devices of one group, or sums over several."""

    total: int = 0
    healthy: int = 0
    free: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.total + other.total, self.healthy + other.healthy, self.free + other.free)


def does_group_match(group: DeviceGroup, ask: DeviceAsk) -> bool | None:
    """Return whether devices of this group are what is asked for; None where what is known does not tell."""
    if not _has_name(group, ask.name):
        return False
    answers = [does_group_meet(constraint, group) for constraint in ask.constraints]
    if False in answers:
        return False
    return None if None in answers else True


def _has_name(group: DeviceGroup, name: str) -> bool:
    """A name is `type`, `vendor/type` or `vendor/type/model`; models may hold a slash."""
    parts = name.split("/", 2)
    if len(parts) == 1:
        return group.type == parts[0]
    return (group.vendor, group.type, group.model)[: len(parts)] == tuple(parts)


def matching(groups: Iterable[DeviceGroup], ask: DeviceAsk) -> tuple[DeviceGroup, ...]:
    """Return the groups that match, as far as can be told."""
    return tuple(group for group in groups if does_group_match(group, ask) is not False)


def tally(group: DeviceGroup, held: Collection[str]) -> Tally:
    """Count a group's devices; `held` are the ids of those that allocations have."""
    healthy = [unit for unit in group.instances if unit.is_healthy]
    return Tally(len(group.instances), len(healthy), sum(unit.id not in held for unit in healthy))


def complete_groups(node: NodeFacts, holdings: Iterable[Holding]) -> tuple[DeviceGroup, ...]:
    """Return a node's groups with the devices that are held there and no longer reported, as unhealthy ones.

    Without a device plugin that works a node has no devices; who asks for one should learn that, not that no node
    ever had any.
    """
    groups = {(group.vendor, group.type, group.model): group for group in node.devices}
    held: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for holding in holdings:
        for key, ids in holding.device_ids.items():
            held[key] += ids
    for key, all_ids in held.items():
        group = groups.get(key) or DeviceGroup(*key, instances=())
        lost = set(all_ids) - {unit.id for unit in group.instances}
        if lost:
            units = (DeviceInstance(id, False, GONE) for id in sorted(lost))
            groups[key] = replace(group, instances=(*group.instances, *units))
    return tuple(groups[key] for key in sorted(groups))
