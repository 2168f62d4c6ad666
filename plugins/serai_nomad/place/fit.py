"""Would a job fit now, later or never: from Nomad's own plan, and from what nodes have where a plan cannot tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from serai.domain.observation import Fit, Verdict
from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import ClusterFacts, Json

from .asks import Ask, parse_ask
from .funnel import explain_placement
from .obstacles import explain_obstacle
from .packing import count_places, fill
from .rooms import free_jobs, make_idle, make_rooms
from .stages import Stage, find_stage
from .survey import make_survey
from .survey_words import listed

_MOST_TRIED = 50


def derive_fit(definition: Json, plan: Json | None, cluster: ClusterFacts | None, freeing: Collection[str] = ()) -> Fit:
    """Return how many of the job's replicas would fit at once, and why not all.

    `plan` is Nomad's answer to `PUT /v1/job/:id/plan`, None where it was not asked. It knows of everything, but only
    of the cluster as it is: what would fit if the jobs `freeing` were gone is counted on the nodes instead, and is
    never less than what the plan gives. `cluster` is None where nodes cannot be read.
    """
    ask, count = parse_ask(definition), _count(definition)
    planned, metrics = read_plan(plan, count)
    if cluster is None:
        return _guess(definition, planned or 0, count, metrics)
    ask_free = free_jobs(cluster, ask.namespace, {*freeing, ask.job})
    counted = fill(ask, make_rooms(ask_free), count)
    if planned is not None and (planned >= count or not freeing or _is_ruled_out(metrics)):
        placeable = planned
    else:
        placeable = max(planned or 0, len(counted))
    nodes = _names(cluster, find_candidates(ask, ask_free)) if placeable else ()
    if placeable >= count:
        return Fit(Verdict.NOW, placeable, nodes=nodes)
    full = replace(ask_free, holdings=(*ask_free.holdings, *counted[:placeable]))
    ever = len(fill(ask, [make_idle(room) for room in make_rooms(cluster)], count))
    if ever < count and placeable <= len(counted):  # a plan that places more proves our count too strict
        return Fit(Verdict.NEVER, placeable, _explain_never(ask, cluster, ever, count), nodes)
    reason = explain_placement(definition, metrics, full)
    return Fit(Verdict.LATER, placeable, _with_way_out(reason, ask, ask_free, count), nodes)


def read_plan(plan: Json | None, count: int) -> tuple[int | None, Json]:
    """Return how many replicas a plan places (None without one), and what it says of those it does not."""
    if plan is None:
        return None, {}
    metrics: Json | None = next(iter((plan.get("FailedTGAllocs") or {}).values()), None)
    if metrics is None:
        return count, {}
    return max(0, count - 1 - int(metrics.get("CoalescedFailures") or 0)), metrics


def explain_refusal(message: str, definition: Json) -> Fit:
    """Return the fit of a job that Nomad would refuse: it names a pool or a namespace that does not exist."""
    if "nonexistent node pool" in message:
        pool = definition.get("NodePool") or "default"
        return Fit(Verdict.NEVER, 0, make_reason("no-node", f"Nomad has no node pool {pool}."))
    return Fit(Verdict.NEVER, 0, make_reason("scheduler-error", f"Nomad would refuse it: {message}"))


def find_candidates(ask: Ask, cluster: ClusterFacts) -> list[str]:
    """Return the ids of the nodes that would take a replica."""
    return [room.node.id for room in make_rooms(cluster) if find_stage(ask, room) is Stage.FITS]


def _count(definition: Json) -> int:
    count = (definition.get("TaskGroups") or [{}])[0].get("Count")
    return 1 if count is None else int(count)


def _is_ruled_out(metrics: Json) -> bool:
    """Tell whether no node came so far that room would help: then it does not matter who leaves."""
    return bool(metrics) and not metrics.get("DimensionExhausted") and "distinct_hosts" not in str(metrics)


def _guess(definition: Json, planned: int, count: int, metrics: Json) -> Fit:
    """Return the fit that a plan alone gives: whether waiting helps is not known without nodes."""
    if planned >= count:
        return Fit(Verdict.NOW, planned)
    return Fit(Verdict.LATER, planned, explain_placement(definition, metrics, None))


def _names(cluster: ClusterFacts, ids: Iterable[str]) -> tuple[str, ...]:
    names = {node.id: node.name for node in cluster.nodes}
    return tuple(names[id] for id in ids)


def _explain_never(ask: Ask, cluster: ClusterFacts, ever: int, count: int) -> Reason:
    """Say what is missing for good, on the cluster as it would be at its best."""
    idle = replace(cluster, nodes=tuple(make_idle(room).node for room in make_rooms(cluster)), holdings=())
    full = replace(idle, holdings=fill(ask, make_rooms(idle), count))
    reason = explain_obstacle(make_survey(ask, full)) or make_reason("no-capacity")
    if not ever:
        return reason
    code = {"gpu-taken": "gpu-missing", "no-capacity": "too-large"}.get(reason.code, reason.code)
    some = "1 replica" if ever == 1 else f"{ever} replicas"
    return make_reason(code, f"Even idle, the nodes hold no more than {some} of {count}. {reason.text}")


def _with_way_out(reason: Reason, ask: Ask, cluster: ClusterFacts, count: int) -> Reason:
    """Add which single job would make room for all replicas if it stopped."""
    able = {room.node.id: room for room in make_survey(ask, cluster).past(Stage.NODE)}
    held: defaultdict[str, set[str]] = defaultdict(set)
    for holding in cluster.holdings:
        if holding.namespace == ask.namespace and holding.node in able:
            held[holding.job].add(holding.node)
    places = {id: count_places(ask, room, count) for id, room in able.items()}
    spare = sum(places.values())
    enough = [
        job
        for job, nodes in list(held.items())[:_MOST_TRIED]
        if spare + _gain(ask, cluster, job, nodes, count) - sum(places[id] for id in nodes) >= count
    ]
    if not enough:
        return reason
    who = f"{enough[0]} stopped" if len(enough) == 1 else f"one of these stopped: {listed(enough)}"
    return replace(reason, text=f"{reason.text} It would fit if {who}.")


def _gain(ask: Ask, cluster: ClusterFacts, job: str, ids: Collection[str], count: int) -> int:
    """Return how many replicas would fit on these nodes without a job."""
    nodes = tuple(node for node in cluster.nodes if node.id in ids)
    holdings = tuple(holding for holding in cluster.holdings if holding.node in ids)
    freed = free_jobs(ClusterFacts(nodes, holdings), ask.namespace, {job})
    return len(fill(ask, make_rooms(freed), count))
