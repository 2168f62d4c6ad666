"""What Nomad's scheduler says of a group without a place, in words: the fallback where nodes do not explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import Json

from .asks import Ask
from .device_words import describe_devices
from .size_words import SIZES, asked_size
from .stages import Stage
from .survey import Survey
from .survey_words import counted, describe_where, device_noun, listed

_DEVICES, _NETWORK = "devices: ", "network: "
_DRIVERS, _MISSING, _VOLUMES, _CLASS = (
    "missing drivers",
    "missing devices",
    "missing compatible host volumes",
    "computed class ineligible",
)


def explain_metrics(ask: Ask, metrics: Json, survey: Survey | None = None) -> Reason:
    """Return the reason that the metrics give. `survey` has nodes that seem to have room all the same."""
    exhausted: Mapping[str, int] = metrics.get("DimensionExhausted") or {}
    filtered: Mapping[str, int] = metrics.get("ConstraintFiltered") or {}
    if exhausted:
        name, nodes = max(exhausted.items(), key=lambda item: (_nearness(item[0]), item[1]))
        reason = _explain_exhausted(ask, name, nodes, survey)
    elif filtered:
        name, nodes = max(filtered.items(), key=lambda item: (_lateness(item[0]), item[1]))
        reason = _explain_filtered(ask, name, nodes)
        if name != _MISSING:
            return reason  # what the list of nodes does not tell, it cannot put in doubt
    elif metrics.get("QuotaExhausted"):
        return make_reason("no-capacity", f"The namespace's quota is used up: {', '.join(metrics['QuotaExhausted'])}.")
    elif metrics.get("NodesEvaluated"):
        text = f"Nomad found no place on {counted(int(metrics['NodesEvaluated']), 'node')}, and does not say why."
        reason = make_reason("no-capacity", text)
    else:
        reason = make_reason("no-node", f"No node of {describe_where(ask)} is ready for work.")
    return _doubt(reason, survey)


def _nearness(dimension: str) -> int:
    """Return how far a node came: networks are looked at first, then devices, then sizes."""
    return 2 if dimension in SIZES else 1 if dimension.startswith(_DEVICES) else 0


def _lateness(constraint: str) -> int:
    """Return how late a filter is: a node that only lacks devices has passed all others. The class repeats another."""
    return {_CLASS: -1, _DRIVERS: 1, _VOLUMES: 2, _MISSING: 3}.get(constraint, 0)


def _explain_exhausted(ask: Ask, dimension: str, nodes: int, survey: Survey | None) -> Reason:
    where = f"{counted(nodes, 'node')} of {describe_where(ask)}"
    if dimension.startswith(_DEVICES):
        noun = device_noun(ask)
        unseen = "; jobs that Serai may not see must have them" if survey else ""
        text = f"It needs {describe_devices(ask)}: {where} {_has(nodes)} such {noun}s, but too few are free{unseen}."
        return make_reason("gpu-taken", text)
    if dimension.startswith(_NETWORK):
        return make_reason("port-taken", f"{_describe_collision(ask, dimension)} on {where}.")
    if dimension in SIZES:
        asked, verb = asked_size(dimension, ask), "does" if nodes == 1 else "do"
        return make_reason("no-capacity", f"It asks for {asked}, and {where} {verb} not have that much free.")
    return make_reason("no-capacity", f"There is no room on {where}: {dimension}.")


def _describe_collision(ask: Ask, dimension: str) -> str:
    if ask.ports:
        return f"Port {' or '.join(str(port) for port in sorted(ask.ports))} is in use"
    return f"No port can be had ({dimension.removeprefix(_NETWORK)})"


def _explain_filtered(ask: Ask, constraint: str, nodes: int) -> Reason:
    where = f"{counted(nodes, 'node')} of {describe_where(ask)}"
    if constraint == _MISSING:
        noun = device_noun(ask)
        text = f"It needs {describe_devices(ask)}, and {where} {_has(nodes)} too few healthy {noun}s of this kind."
        return make_reason("gpu-missing", text)
    if constraint == _DRIVERS:
        drivers = " and ".join(sorted(ask.drivers))
        return make_reason("driver-missing", f"{where} {_has(nodes)} no working driver {drivers}.")
    if constraint == _VOLUMES or "CSI" in constraint:
        names = listed(volume.source for volume in ask.volumes)
        told = f" ({constraint})" if constraint != _VOLUMES else ""
        return make_reason("volume-missing", f"{where} {_has(nodes)} no volume {names} that would do{told}.")
    return make_reason("no-match", f"{where} {'does' if nodes == 1 else 'do'} not meet {constraint}.")


def _has(nodes: int) -> str:
    return "has" if nodes == 1 else "have"


def _doubt(reason: Reason, survey: Survey | None) -> Reason:
    """Say so where a node seems to have room: it has just become free, or others hold what we may not see."""
    roomy = survey.at(Stage.FITS) if survey else []
    if not roomy:
        return reason
    names = listed(room.node.name for room in roomy)
    text = f"{reason.text} As far as Serai can see there is room on {names}; it may have become free just now."
    return replace(reason, text=text)
