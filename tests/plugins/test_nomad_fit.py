"""Whether a job fits now, later or never: Nomad's recorded plans, and what is counted where a plan cannot tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.observation import Verdict
from serai_nomad.facts import ClusterFacts
from serai_nomad.place.fit import derive_fit, explain_refusal, read_plan
from tests.plugins.nomad_rooms import HERE, hold, make_job, make_node

A100 = {"Name": "gpu", "Count": 1}
TWO = {"Name": "gpu", "Count": 2}
EXHAUSTED = {"NodesEvaluated": 2, "DimensionExhausted": {"devices: no devices match request": 2}}
FILTERED = {"NodesEvaluated": 2, "ConstraintFiltered": {"${attr.new} = x": 2}}


def load_plans() -> dict[str, dict[str, Any]]:
    recorded = json.loads((HERE / "nomad_recordings" / "20-plan.json").read_text())
    return {plan["label"]: plan["response"] for plan in recorded["plans"] if plan["status"] == 200}


def plan_without(places: int, count: int, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return a plan that places only so many."""
    missing = count - places
    failed = {"model": metrics | {"CoalescedFailures": missing - 1}} if missing else None
    return {"FailedTGAllocs": failed}


# The node of the recording had 24,105 MiB, of which 64 were held.
NODE = make_node("demo", memory_mb=24_105)
HELD = (hold("rec-plan-v1", "demo", memory_mb=64),)


@pytest.mark.parametrize(
    ("label", "job", "verdict", "placeable", "code"),
    [
        ("new job, fits", make_job(memory=64), Verdict.NOW, 1, ""),
        ("new job, memory does not fit", make_job(memory=90_000), Verdict.NEVER, 0, "too-large"),
        ("new job, device missing", make_job(gpu=A100), Verdict.NEVER, 0, "gpu-missing"),
        ("new job, count 3 of 10 GiB", make_job(memory=10_000, count=3), Verdict.NEVER, 2, "too-large"),
        ("no change", make_job(memory=64), Verdict.NOW, 1, ""),
        ("in place", make_job(memory=64), Verdict.NOW, 1, ""),
        ("scale up", make_job(memory=64, count=2), Verdict.NOW, 2, ""),
    ],
)
def test_recorded_plans(label: str, job: dict[str, Any], verdict: Verdict, placeable: int, code: str) -> None:
    plan = load_plans()[label]
    fit = derive_fit(job, plan, ClusterFacts((NODE,), HELD))
    assert (fit.verdict, fit.placeable, fit.reason.code if fit.reason else "") == (verdict, placeable, code)
    blind = derive_fit(job, plan, None)
    assert blind.placeable == placeable, "the plan alone says how many"
    assert blind.verdict is (Verdict.NOW if verdict is Verdict.NOW else Verdict.LATER), "but not whether waiting helps"


def test_a_plan_is_read_for_how_many_it_places() -> None:
    assert read_plan(None, 3) == (None, {})
    assert read_plan({"FailedTGAllocs": None}, 3) == (3, {})
    assert read_plan(plan_without(1, 4, EXHAUSTED), 4)[0] == 1


# two nodes of two GPUs; a has one of whisper's, b one of bert's and one of somebody else's
ROOM = ClusterFacts(
    (make_node("a", 2), make_node("b", 2)),
    (hold("whisper-v7", "a", 0), hold("bert-v1", "b", 0), hold("x-v1", "b", 1, namespace="elsewhere")),
)


@pytest.mark.parametrize(
    ("gpu", "count", "freeing", "verdict", "placeable", "nodes", "said"),
    [
        (A100, 1, [], Verdict.NOW, 1, ("a",), ""),
        (A100, 2, [], Verdict.LATER, 1, ("a",), "It would fit if one of these stopped: whisper-v7, bert-v1."),
        (
            A100,
            3,
            [],
            Verdict.LATER,
            1,
            ("a",),
            "held by bert-v1 (1), this version itself (1), whisper-v7 (1), others (1).",
        ),
        (A100, 2, ["bert-v1"], Verdict.NOW, 2, ("a", "b"), ""),
        (A100, 2, ["x-v1"], Verdict.LATER, 1, ("a",), "others (1)"),
        (A100, 5, [], Verdict.NEVER, 1, ("a",), "no more than 4 replicas of 5"),
        (TWO, 1, [], Verdict.LATER, 0, (), "It would fit if whisper-v7 stopped."),
        (TWO, 1, ["whisper-v7"], Verdict.NOW, 1, ("a",), ""),
        (TWO, 1, ["bert-v1"], Verdict.LATER, 0, (), "It would fit if whisper-v7 stopped."),
        (TWO, 2, [], Verdict.LATER, 0, (), "2 GPUs"),
        (TWO, 3, ["whisper-v7"], Verdict.NEVER, 1, ("a",), "no more than 2 replicas of 3"),
        ({"Name": "gpu", "Count": 3}, 1, [], Verdict.NEVER, 0, (), "at most 2 of one model"),
    ],
)
def test_gpus_are_counted_on_the_nodes(
    gpu: dict[str, Any],
    count: int,
    freeing: list[str],
    verdict: Verdict,
    placeable: int,
    nodes: tuple[str, ...],
    said: str,
) -> None:
    fit = derive_fit(make_job(gpu=gpu, count=count), None, ROOM, freeing)
    assert (fit.verdict, fit.placeable, fit.nodes) == (verdict, placeable, nodes)
    assert (fit.reason is None) == (verdict is Verdict.NOW)
    assert said in (fit.reason.text if fit.reason else "")


def test_the_plan_wins_where_it_can_tell() -> None:
    """It sees holders that the token may not, and constraints that are not known here."""
    job = make_job(gpu=A100)
    fit = derive_fit(job, plan_without(0, 1, EXHAUSTED), ROOM)
    assert (fit.verdict, fit.placeable, fit.nodes) == (Verdict.LATER, 0, ())
    assert fit.reason is not None
    assert fit.reason.code == "gpu-taken"
    assert "jobs that Serai may not see" in fit.reason.text
    more = derive_fit(make_job(gpu=A100, count=2), plan_without(2, 2, {}), ROOM)
    assert (more.verdict, more.placeable) == (Verdict.NOW, 2)


def test_a_plan_that_places_more_than_we_count_is_not_called_never() -> None:
    fit = derive_fit(make_job(memory=10**6, count=2), plan_without(1, 2, EXHAUSTED), ROOM)
    assert (fit.verdict, fit.placeable) == (Verdict.LATER, 1)


def test_leaving_does_not_help_where_no_node_matches() -> None:
    fit = derive_fit(make_job(), plan_without(0, 1, FILTERED), ROOM, ["whisper-v7", "bert-v1"])
    assert (fit.verdict, fit.placeable) == (Verdict.LATER, 0)
    assert fit.reason is not None
    assert fit.reason.text == "2 nodes of the node pool default do not meet ${attr.new} = x."


def test_freeing_takes_no_place_away_that_the_plan_has_found() -> None:
    job = make_job(gpu=TWO, count=2)
    assert derive_fit(job, plan_without(1, 2, EXHAUSTED), ROOM, ["nobody-v1"]).placeable == 1


def test_what_the_job_has_itself_counts_for_it() -> None:
    room = ClusterFacts((make_node("a", 2),), (hold("asked-v1", "a", 0), hold("asked-v1", "a", 1)))
    assert derive_fit(make_job(gpu=A100, count=2), None, room).verdict is Verdict.NOW
    assert derive_fit(make_job(gpu=A100, count=3), None, room).verdict is Verdict.NEVER


def test_what_is_down_or_sick_may_come_back() -> None:
    job = make_job(gpu=TWO)
    for node in (make_node("a", 2, status="down"), make_node("a", 2, sick=(0,)), make_node("a", 2, is_eligible=False)):
        fit = derive_fit(job, None, ClusterFacts((node,)))
        assert (fit.verdict, fit.placeable) == (Verdict.LATER, 0)


def test_no_replica_wanted_fits() -> None:
    fit = derive_fit(make_job(count=0), {"FailedTGAllocs": None}, ClusterFacts())
    assert (fit.verdict, fit.placeable, fit.reason) == (Verdict.NOW, 0, None)


def test_what_nomad_would_refuse_never_fits() -> None:
    fit = explain_refusal('1 error occurred:\n\t* job "x" is in nonexistent node pool "nope"', {"NodePool": "nope"})
    assert fit.reason is not None
    assert (fit.verdict, fit.reason.code, fit.reason.text) == (Verdict.NEVER, "no-node", "Nomad has no node pool nope.")
    other = explain_refusal("Task group model validation failed", {})
    assert other.reason is not None
    assert (other.verdict, other.reason.code) == (Verdict.NEVER, "scheduler-error")
    assert "Task group model validation failed" in other.reason.text


NODES = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 4)), max_size=4)


@given(NODES, st.integers(1, 3), st.integers(0, 6), st.booleans())
def test_whatever_the_cluster_the_answer_holds_together(
    nodes: list[tuple[int, bool, int]], gpus: int, count: int, is_freeing: bool
) -> None:
    """Never more than asked, NOW exactly when all fit, a reason exactly when not, and room is never lost by leaving."""
    cluster = ClusterFacts(
        tuple(
            make_node(f"n{number}", has, status="ready" if up else "down") for number, (has, up, _) in enumerate(nodes)
        ),
        tuple(hold("x-v1", f"n{number}", *range(min(has, taken))) for number, (has, _, taken) in enumerate(nodes)),
    )
    job = make_job(gpu={"Name": "nvidia/gpu", "Count": gpus}, count=count)
    fit = derive_fit(job, None, cluster, ["x-v1"] if is_freeing else [])
    assert 0 <= fit.placeable <= count
    assert (fit.verdict is Verdict.NOW) == (fit.placeable == count)
    assert (fit.reason is None) == (fit.verdict is Verdict.NOW)
    assert bool(fit.nodes) or not fit.placeable
    free = [has if is_freeing else max(0, has - taken) for has, up, taken in nodes if up]
    assert fit.placeable == min(count, sum(has // gpus for has in free))
    ever = sum(has // gpus for has, _, _ in nodes)
    if fit.verdict is not Verdict.NOW:
        assert (fit.verdict is Verdict.NEVER) == (ever < count)
        assert derive_fit(job, None, cluster, ["x-v1"]).placeable >= fit.placeable
