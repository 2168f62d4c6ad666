"""Why fewer replicas run than are wanted, and when Nomad has given up, in what no recording shows."""

from __future__ import annotations

from typing import Any

import pytest

from serai.domain.observation import Observation
from serai_nomad.facts import ClusterFacts, JobFacts, NodeFacts
from serai_nomad.state.observation import derive_observation
from tests.plugins.nomad_stubs import Json, after, check, evaluation, event, facts, stub, task, terminated, text_of

FULL = {"NodesEvaluated": 2, "NodesExhausted": 2, "NodesInPool": 2, "DimensionExhausted": {"memory": 2}}


def look(seen: JobFacts, at: float = 100, cluster: ClusterFacts | None = None) -> Observation:
    return derive_observation(seen, cluster, after(at))


def said(seen: Observation) -> tuple[str, str]:
    assert seen.waiting is not None
    return seen.waiting.code, seen.waiting.text


def blocked(**keys: Any) -> Json:
    return evaluation("blocked", "queued-allocs", 1, **{"FailedTGAllocs": {"model": FULL}, **keys})


def crashed(**keys: Any) -> Json:
    state = task("dead", event("Started", 1), terminated(3, at=2), failed=True)
    return stub("a", "failed", server=state, **keys)


# no place


def test_a_blocked_evaluation_says_why_though_others_run() -> None:
    rows = [stub("a", server=task()), stub("b", index=1, server=task())]
    seen = look(facts(rows, [evaluation(), blocked()], {"a": check(), "b": check()}, count=3))
    assert [replica.ready for replica in seen.replicas] == [True, True]
    assert said(seen)[0] == "no-capacity"
    assert seen.failed is None


def test_the_nodes_make_the_reason_exact() -> None:
    node = NodeFacts(
        "n", "n1", "gpu", "dc1", "", "ready", True, False, 4000, 4, 256, 10000, drivers=frozenset({"docker"})
    )
    seen = look(facts([], [blocked()]), cluster=ClusterFacts((node,)))
    assert said(seen)[0] == "too-large"


def test_what_made_the_new_place_necessary_is_told() -> None:
    seen = look(facts([crashed()], [evaluation(), blocked()]))
    assert seen.waiting is not None
    assert seen.waiting.code == "no-capacity"
    assert seen.waiting.text.endswith(", after the process exited with code 3.")
    assert seen.waiting.exit_code == 3
    lost = look(facts([stub("a", "lost", "stop", server=task())], [evaluation(), blocked()]))
    assert said(lost)[1].endswith(", after node n1 went down.")
    drained = stub("a", "complete", "stop", server=task("dead"), DesiredTransition={"Migrate": True})
    assert said(look(facts([drained], [blocked()])))[1].endswith(", after node n1 was drained.")
    preempted = stub("a", "complete", "evict", server=task("dead"))
    assert said(look(facts([preempted], [blocked()])))[1].endswith(", after it gave way to a job of a higher priority.")


def test_nothing_waits_where_all_are_there() -> None:
    seen = look(facts([stub(server=task())], [blocked()], {"a": check()}))
    assert (seen.waiting, seen.failed) == (None, None), "a blocked evaluation that is about to be cancelled"


def test_replicas_of_another_digest_are_not_those_that_are_wanted() -> None:
    rows = [stub(server=task(), JobVersion=0)]
    seen = look(facts(rows, [blocked()], {"a": check()}, version=1, digest="new", digests={0: "old"}))
    assert seen.replicas[0].ready
    assert said(seen)[0] == "no-capacity"


def test_a_quota_is_named() -> None:
    assert said(look(facts([], [blocked(QuotaLimitReached="research")]))) == (
        "no-capacity",
        "The quota research of the namespace is used up.",
    )


def test_a_job_that_nobody_can_read_still_waits(caplog: pytest.LogCaptureFixture) -> None:
    odd: Any = {"ID": "whisper-v1", "TaskGroups": [{"Tasks": [{"Resources": {"Devices": [True]}, "Constraints": 1}]}]}
    assert said(look(facts([], [blocked()], definition=odd))) == ("no-capacity", "Nomad has found no place for it.")
    assert "cannot explain the placement of whisper-v1" in caplog.text


def test_schedulers_in_each_others_way() -> None:
    code, text = said(look(facts([], [blocked(FailedTGAllocs=None)])))
    assert (code, text) == ("scheduling", "Nomad's schedulers got in each other's way; it tries again by itself.")


def test_evaluations_of_a_purged_job_of_the_same_id_do_not_count() -> None:
    seen = look(facts([], [blocked(CreateIndex=5), evaluation(at=99)]))
    assert said(seen)[0] == "scheduling"


# plans


def test_a_pause_before_another_node_is_tried() -> None:
    planned = evaluation("pending", "alloc-reschedule", 2, WaitUntil=text_of(7))
    seen = look(facts([stub("a", "unknown", server=task())], [planned]))
    assert said(seen) == (
        "rescheduling",
        "Node n1 could not be reached; another replica is started at 09:00:07 UTC, after a pause of 5 s.",
    )


@pytest.mark.parametrize(
    "evaluations",
    [
        [],
        [evaluation("pending", at=0)],
        [evaluation(at=98.5)],
    ],
)
def test_nomad_is_deciding(evaluations: list[Json]) -> None:
    seen = look(facts([], evaluations))
    assert said(seen)[0] == "scheduling"
    assert seen.failed is None


def test_a_replica_that_is_counted_though_another_stands_in_for_it() -> None:
    away = stub("a", "unknown", server=task(), NextAllocation="b")
    stand_in = stub("b", server=task(), NodeName="n2")
    waits = evaluation("pending", "max-disconnect-timeout", 2, WaitUntil=text_of(300))
    seen = look(facts([away, stand_in], [evaluation(), waits], {"b": check()}, count=2))
    assert said(seen) == (
        "node-unreachable",
        "Nomad counts the replica on node n1, which cannot be reached, so that it starts no other.",
    )
    assert seen.failed is None


def test_the_end_of_a_disconnection_is_no_sign_of_work() -> None:
    waits = evaluation("pending", "max-disconnect-timeout", 2, WaitUntil=text_of(300))
    seen = look(facts([], [waits]))
    assert seen.failed is not None
    assert seen.failed.code == "gave-up"


# given up


def test_an_evaluation_that_failed() -> None:
    failed = evaluation("failed", at=1, StatusDescription="maximum attempts reached (5)")
    seen = look(facts([], [failed]))
    assert seen.failed is not None
    assert (seen.failed.code, seen.failed.text) == (
        "gave-up",
        "Nomad gave up placing the replicas: maximum attempts reached (5).",
    )
    assert seen.waiting == seen.failed, "it is also why replicas are missing"


def test_an_evaluation_that_failed_and_has_a_successor() -> None:
    failed = evaluation("failed", at=1, NextEval="next")
    following = {**evaluation("pending", "failed-follow-up", 2, WaitUntil=text_of(60)), "CreateIndex": 21}
    seen = look(facts([], [failed, following]))
    assert seen.failed is None
    assert said(seen) == ("rescheduling", "Another replica is started at 09:01:00 UTC, after a pause of 58 s.")


def test_the_cause_of_the_newest_failure_is_why_it_gave_up() -> None:
    seen = look(facts([crashed(), stub("b", index=1, server=task())], [evaluation()], {"b": check()}, count=2))
    assert seen.failed is not None
    assert (seen.failed.code, seen.failed.exit_code) == ("crash-loop", 3)
    assert seen.failed.text == "The process exited with code 3; it will not be started again."


def test_a_job_scaled_to_nothing_wants_nothing() -> None:
    seen = look(facts([], [evaluation()], count=0))
    assert (seen.count, seen.replicas, seen.waiting, seen.failed) == (0, (), None, None)
