"""A survey of nodes in words: how many are left after each step (the funnel), who holds what, and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Sized

from serai_nomad.facts import DeviceGroup, Holding

from .asks import Ask
from .devices_match import Tally, matching, tally
from .rooms import Room
from .stages import ANY_POOL, Stage
from .survey import Survey

ITSELF, OTHERS = "this version itself", "others"
_MOST_NAMED = 5


def count_funnel(survey: Survey) -> tuple[tuple[str, int], ...]:
    """Return how many nodes are left after each step that this replica's demand makes, up to where none is."""
    has_devices, noun = bool(survey.ask.devices), device_noun(survey.ask)
    steps: list[tuple[str, Stage, bool]] = [
        (f"in {describe_where(survey.ask)}", Stage.DATACENTER, True),
        (f"with such {noun}s", Stage.DEVICE, has_devices),
        ("that could hold it", Stage.SIZE, True),
        ("that accept work", Stage.NODE, True),
        (f"with healthy {noun}s", Stage.UNHEALTHY, has_devices),
        (f"with free {noun}s", Stage.TAKEN, has_devices),
        ("with room", Stage.BUSY, True),
    ]
    counts = [(words, len(survey.past(stage))) for words, stage, is_asked in steps if is_asked]
    end = next((place for place, (_, left) in enumerate(counts) if not left), len(counts))
    return tuple(counts[: end + 1])


def describe_where(ask: Ask) -> str:
    """Return where nodes are looked for: `the node pool gpu in dc1`."""
    where = "the cluster" if ask.pool == ANY_POOL else f"the node pool {ask.pool}"
    return where if ask.datacenters == ("*",) else f"{where} in {' or '.join(ask.datacenters)}"


def device_noun(ask: Ask) -> str:
    return "GPU" if any("gpu" in entry.name.split("/", 2)[:2] for entry in ask.devices) else "device"


def matching_groups(ask: Ask, room: Room) -> tuple[DeviceGroup, ...]:
    """Return the groups of devices that serve any entry of the ask."""
    return tuple({id(g): g for entry in ask.devices for g in matching(room.devices, entry)}.values())


def tally_devices(ask: Ask, rooms: Iterable[Room]) -> Tally:
    tallies = (tally(group, room.held_devices) for room in rooms for group in matching_groups(ask, room))
    return sum(tallies, Tally())


def name_device_holders(survey: Survey, rooms: Iterable[Room]) -> str:
    """Return who has the devices asked for: `whisper-v7 (2), bert-v1 (1), others (1)`; "" for nobody."""
    wanted = {
        (room.node.id, group.vendor, group.type, group.model)
        for room in rooms
        for group in matching_groups(survey.ask, room)
    }
    counts: Counter[str] = Counter()
    for held in survey.holdings:
        for key, ids in held.device_ids.items():
            if (held.node, *key) in wanted:
                counts[holder_name(held, survey.ask)] += len(ids)
    return listed(f"{name} ({count})" for name, count in most_first(counts))


def most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return holders by how much they have, those without a name last."""
    return sorted(counts.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0]))


def holder_name(held: Holding, ask: Ask) -> str:
    """Return the job's id in our own namespace; of other namespaces no more than that they are others."""
    if held.namespace != ask.namespace:
        return OTHERS
    return ITSELF if held.job == ask.job else held.job


def nodes_of(survey: Survey, rooms: Sequence[Room]) -> str:
    """Return nodes with where they are: `the 2 nodes of the node pool gpu`, `the only node of ...`."""
    count = "only node" if len(rooms) == 1 else f"{len(rooms)} nodes"
    return f"the {count} of {describe_where(survey.ask)}"


def looked_at(survey: Survey) -> list[Room]:
    """Return the nodes of the pool and the datacenters."""
    return survey.past(Stage.DATACENTER)


def lacking(survey: Survey, one_has_not: str, none_has: str) -> str:
    """Return a clause about what the closest nodes lack, for one node and for several of them.

    `the only node of the node pool gpu with such GPUs has no ...`, `none of the 2 nodes of ... has a ...`.
    """
    such = f" with such {device_noun(survey.ask)}s" if survey.ask.devices else ""
    nodes = f"{nodes_of(survey, survey.closest)}{such}"
    return f"{nodes} {one_has_not}" if len(survey.closest) == 1 else f"none of {nodes} {none_has}"


def share(part: Sized, survey: Survey) -> str:
    """Return how many of the nodes looked at, with the verb: `3 of the 5 nodes of the node pool gpu have`."""
    nodes = nodes_of(survey, looked_at(survey))
    if len(part) == len(looked_at(survey)):
        return f"{nodes} {'has' if len(part) == 1 else 'have'}"
    return f"{len(part)} of {nodes} {'has' if len(part) == 1 else 'have'}"


def idle_nodes(survey: Survey) -> str:
    """Return a further sentence about nodes that could hold a replica and take no work; "" without any."""
    names = [room.node.name for room in survey.at(Stage.NODE)]
    return f" {listed(names)} could hold it, but {'accepts' if len(names) == 1 else 'accept'} no work." if names else ""


def listed(names: Iterable[str]) -> str:
    """Return names for a sentence, the first few of many."""
    found = list(names)
    rest = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sentence(clause: str) -> str:
    """Return a clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}."
