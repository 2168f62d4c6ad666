"""Why nodes are out of the question as they are: where they are, what they lack, and that they take no work."""

from __future__ import annotations

from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import NodeFacts

from .conditions import describe_values, does_node_meet
from .stages import ANY_POOL, find_taken_ports
from .survey import Survey
from .survey_words import holder_name, lacking, listed, sentence


def explain_pool(survey: Survey) -> Reason:
    pools = listed(sorted({room.node.pool for room in survey.rooms}))
    return make_reason("no-node", f"The node pool {survey.ask.pool} has no node; there are nodes in: {pools}.")


def explain_datacenter(survey: Survey) -> Reason:
    ask, theirs = survey.ask, listed(sorted({room.node.datacenter for room in survey.closest}))
    pool = "The cluster" if ask.pool == ANY_POOL else f"The node pool {ask.pool}"
    text = f"{pool} has no node in {' or '.join(ask.datacenters)}; its nodes are in {theirs}."
    return make_reason("no-node", text)


def explain_match(survey: Survey) -> Reason:
    rooms, every = survey.closest, survey.ask.constraints
    unmet = [c for c in every if all(does_node_meet(c, room.node) is False for room in rooms)]
    if not unmet:
        told = " and ".join(str(c) for c in every if any(does_node_meet(c, room.node) is False for room in rooms))
        return make_reason("no-match", sentence(lacking(survey, f"does not meet {told}", f"meets all of {told}")))
    values = sorted({value for room in rooms if (value := describe_values(unmet[0], room.node))})
    have = f"; there it is {listed(values)}" if values and unmet[0].right else ""
    clause = lacking(survey, f"does not meet {unmet[0]}", f"meets {unmet[0]}")
    return make_reason("no-match", sentence(f"{clause}{have}"))


def explain_driver(survey: Survey) -> Reason:
    missing = sorted({driver for room in survey.closest for driver in survey.ask.drivers - room.node.drivers})
    driver = f"working driver {' and '.join(missing)}"
    return make_reason("driver-missing", sentence(lacking(survey, f"has no {driver}", f"has a {driver}")))


def explain_volume(survey: Survey) -> Reason:
    asked, rooms = survey.ask.volumes, survey.closest
    absent = [f"host volume {v.source}" for v in asked if all(v.source not in room.node.volumes for room in rooms)]
    if absent:
        return make_reason("volume-missing", sentence(lacking(survey, f"has no {absent[0]}", f"has a {absent[0]}")))
    locked = [v.source for v in asked if all(v.source in room.node.read_only_volumes for room in rooms)]
    if locked:
        clause = f"lets the host volume {locked[0]} be written"
        text = sentence(lacking(survey, f"does not {clause.replace('lets', 'let', 1)}", clause))
        return make_reason("volume-missing", text, "Mount it with `read_only: true`.")
    names = f"host volumes {listed(volume.source for volume in asked)}"
    return make_reason("volume-missing", sentence(lacking(survey, f"lacks {names}", f"has all of the {names}")))


def explain_state(survey: Survey) -> Reason:
    states = listed(f"{room.node.name} {describe_state(room.node)}" for room in survey.closest)
    return make_reason("no-node", f"No node that could run it accepts work: {states}.")


def describe_state(node: NodeFacts) -> str:
    """Return why a node takes no work: `is down`."""
    if node.status != "ready":
        return f"is {node.status}"
    return "is being drained" if node.is_draining else "is not eligible for work"


def explain_alone(survey: Survey) -> Reason:
    text = f"{_each(survey)} has a replica already, and distinct_hosts allows one a node"
    return make_reason("no-capacity", sentence(text))


def explain_port(survey: Survey) -> Reason:
    port = min(find_taken_ports(survey.ask, survey.closest[0]))
    names = {room.node.id: room.node.name for room in survey.closest}
    holders = [held for held in survey.holdings if port in held.ports and held.node in names]
    who = listed(dict.fromkeys(f"{holder_name(held, survey.ask)} on {names[held.node]}" for held in holders))
    return make_reason("port-taken", f"Port {port} is in use on {_each(survey)}, by {who}.")


def _each(survey: Survey) -> str:
    count = len(survey.closest)
    return "the only node that could run it" if count == 1 else f"each of the {count} nodes that could run it"
