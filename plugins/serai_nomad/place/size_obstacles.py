"""Why processors, memory or disk cannot be had: no node is that large, or none has that much free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import Holding

from .rooms import Room
from .size_words import SIZES, amount_there, asked_size, brief, left_of, size
from .stages import find_short
from .survey import Survey
from .survey_words import describe_where, holder_name, idle_nodes, lacking, listed, most_first


def explain_too_large(survey: Survey) -> Reason:
    """No node that could run it otherwise is large enough, even with nothing else on it."""
    ask, rooms = survey.ask, survey.closest
    short = [find_short(ask, room.node, room.node) for room in rooms]
    everywhere = [name for name in SIZES if all(name in names for names in short)]
    told = _distinct(everywhere or [name for name in SIZES if any(name in names for names in short)])
    best = max(rooms, key=lambda room: [amount_there(name, room.node) for name in told]).node
    asked = " and ".join(asked_size(name, ask, best) for name in told)
    there = " and ".join(size(name, amount_there(name, best)) for name in told)
    largest = f"the largest, {best.name}," if everywhere and len(rooms) > 1 else best.name
    lack = lacking(survey, "does not have that even when idle", "has that even when idle")
    return make_reason("too-large", f"It asks for {asked}, and {lack}: {largest} has {there}.")


def explain_busy(survey: Survey) -> Reason:
    """Nodes are large enough, but too much of them is promised to others."""
    ask, rooms = survey.ask, survey.closest
    best = max(rooms, key=lambda room: (-len(find_short(ask, room, room.node)), room.memory_mb, room.mhz))
    short = _distinct(find_short(ask, best, best.node))
    asked = " and ".join(asked_size(name, ask, best.node) for name in short)
    free = " and ".join(left_of(name, amount_there(name, best), amount_there(name, best.node)) for name in short)
    holders = _name_holders(survey, best, short[0])
    held = f"; held by {holders}" if holders else ""
    text = f"It asks for {asked}, and {_roomiest(survey, best)} has {free} free{held}."
    return make_reason("no-capacity", text + idle_nodes(survey))


def _distinct(names: Sequence[str]) -> list[str]:
    """Leave out the MHz that whole cores bring with them where those cores are told already."""
    return [name for name in names if name != "cpu" or "cores" not in names]


def _roomiest(survey: Survey, best: Room) -> str:
    where = describe_where(survey.ask)
    if len(survey.closest) == 1:
        return f"{best.node.name}, the only node of {where} that could hold it,"
    return f"the roomiest of the {len(survey.closest)} nodes of {where} that could hold it, {best.node.name},"


def _name_holders(survey: Survey, room: Room, name: str) -> str:
    """Return who holds most of what is short: `x2-v1 (13.7 GiB)`."""
    counts: Counter[str] = Counter()
    for held in survey.holdings:
        if held.node == room.node.id:
            counts[holder_name(held, survey.ask)] += _held(name, held)
    return listed(f"{who} ({brief(name, amount)})" for who, amount in most_first(counts) if amount)


def _held(name: str, held: Holding) -> int:
    return {"cores": held.cores, "cpu": held.mhz, "memory": held.memory_mb, "disk": held.disk_mb}[name]
