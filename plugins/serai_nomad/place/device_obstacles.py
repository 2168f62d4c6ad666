"""Why devices cannot be had: there are none of the kind, too few are healthy, or others have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import DeviceInstance

from .device_words import describe_devices
from .devices_match import GONE, Tally, tally
from .rooms import Room
from .stages import Stage, choose_devices
from .survey import Survey
from .survey_words import (
    describe_where,
    device_noun,
    idle_nodes,
    listed,
    looked_at,
    matching_groups,
    name_device_holders,
    nodes_of,
    share,
    tally_devices,
)


def explain_missing(survey: Survey) -> Reason:
    """No node of the pool has enough devices of the kind, healthy or not."""
    ask, noun = survey.ask, device_noun(survey.ask)
    some = [room for room in survey.closest if matching_groups(ask, room)]
    if some:
        most = max(tally(group, ()).total for room in some for group in matching_groups(ask, room))
        told = f"{share(some, survey)} such {noun}s, but at most {most} of one model on a node"
    elif len(looked_at(survey)) == 1:
        told = f"{nodes_of(survey, looked_at(survey))} has no such {noun}{_inventory(survey.closest, noun)}"
    else:
        told = f"none of {nodes_of(survey, looked_at(survey))} has such a {noun}{_inventory(survey.closest, noun)}"
    return make_reason("gpu-missing", f"It needs {describe_devices(ask)}: {told}.{_elsewhere(survey)}")


def _inventory(rooms: Sequence[Room], noun: str) -> str:
    models = Counter(g.model for room in rooms for g in room.devices for _ in g.instances)
    there = listed(f"{count} {model}" for model, count in sorted(models.items()))
    return f" (there: {there})" if there else f" (no {noun} at all is reported there)"


def _elsewhere(survey: Survey) -> str:
    """Name nodes outside the pool or the datacenters that have what is missing."""
    others = [
        room.node
        for room in survey.at(Stage.POOL, Stage.DATACENTER)
        if choose_devices(survey.ask, room, lambda _: True) is not None
    ]
    if not others:
        return ""
    places = listed(f"{node.name} (pool {node.pool}, datacenter {node.datacenter})" for node in others)
    return f" Outside of {describe_where(survey.ask)} there are such {device_noun(survey.ask)}s: {places}."


def explain_unhealthy(survey: Survey) -> Reason:
    """Nodes have enough such devices, but too few of them work."""
    ask, noun = survey.ask, device_noun(survey.ask)
    sick = [pair for room in survey.closest for pair in _sick_units(survey, room)]
    names = listed(sorted({room.node.name for room, _ in sick}))
    if all(unit.description == GONE for _, unit in sick):
        told = f"the device plugin on {names} no longer reports the {noun}s that are in use there"
    else:
        total, is_one = tally_devices(ask, survey.closest).total, len(survey.closest) == 1
        units = listed(f"{unit.id}{'' if is_one else f' on {room.node.name}'}{_why(unit)}" for room, unit in sick)
        where = names if is_one else f"{len(survey.closest)} nodes"
        told = f"{len(sick)} of the {total} on {where} {_be(len(sick))} unhealthy: {units}"
    return make_reason("gpu-unhealthy", f"It needs {describe_devices(ask)}: {told}.{idle_nodes(survey)}")


def _sick_units(survey: Survey, room: Room) -> list[tuple[Room, DeviceInstance]]:
    groups = matching_groups(survey.ask, room)
    return [(room, unit) for group in groups for unit in group.instances if not unit.is_healthy]


def _why(unit: DeviceInstance) -> str:
    return f" ({unit.description})" if unit.description else ""


def explain_taken(survey: Survey) -> Reason:
    """The healthy ones are in use: how many nodes have such devices, how many are free, who has the rest."""
    ask, having, usable = survey.ask, survey.past(Stage.DEVICE), survey.past(Stage.NODE)
    able = "" if len(usable) == len(having) else f", and {len(usable)} of these could run it"
    count = tally_devices(ask, usable)
    holders = name_device_holders(survey, usable)
    held = f": held by {holders}" if holders else ""
    text = (
        f"It needs {describe_devices(ask)}: {share(having, survey)} such {device_noun(ask)}s{able};"
        f" {_free(count, min(entry.count for entry in ask.devices))}{held}.{idle_nodes(survey)}"
    )
    return make_reason("gpu-taken", text)


def _free(count: Tally, needed: int) -> str:
    """Return `none of 8 is free`, or how many are."""
    sick = f" healthy ones ({count.total - count.healthy} more unhealthy)" if count.total > count.healthy else ""
    if not count.free:
        return f"none of {count.healthy}{sick} is free"
    scattered = ", but not together on one node" if count.free >= needed else ""
    return f"{count.free} of {count.healthy}{sick} {_be(count.free)} free{scattered}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"
