"""What holds for every answer of Nomad, also for those that no release has given yet."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.observation import Observation, Phase
from serai.domain.reasons import CATALOGUE
from serai_nomad.facts import JobFacts, Remembered
from serai_nomad.state.observation import derive_observation
from tests.plugins.nomad_stubs import DEFINITION, facts
from tests.plugins.nomad_truth import load_recording, look_at, make_facts, read_truths

Json = dict[str, Any]
MOMENTS = [truth for truth in read_truths() if truth.replicas is not None]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    # Made anew for each example: what is shared would carry one example's spoiling into the next.
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [None]),
    st.builds(lambda: {"a": None}),
)
TERMINAL = {"complete", "failed", "lost"}
CLIENTS = ("pending", "running", "complete", "failed", "lost", "unknown", "", "new")
EVENTS = (
    "Received", "Task Setup", "Started", "Terminated", "Restarting", "Not Restarting", "Killing", "Killed", "Driver",
    "Driver Failure", "Restart Signaled", "Alloc Unhealthy", "Setup Failure", "Template", "Failed Restoring Task",
)  # fmt: skip

events = st.fixed_dictionaries(
    {"Type": st.sampled_from(EVENTS)},
    optional={
        "Time": st.one_of(st.integers(0, 2 * 10**18), JUNK),
        "DisplayMessage": st.one_of(st.text(max_size=20), JUNK),
        "Details": st.one_of(
            st.fixed_dictionaries(
                {}, optional={"exit_code": st.sampled_from(["0", "1", "137", "-1", "x"]), "signal": JUNK}
            ),
            JUNK,
        ),
    },
)
tasks = st.fixed_dictionaries(
    {"State": st.sampled_from(["pending", "running", "dead", ""])},
    optional={
        "Restarts": st.one_of(st.integers(0, 9), JUNK),
        "Failed": JUNK,
        "StartedAt": st.one_of(st.just("0001-01-01T00:00:00Z"), st.just("2026-11-23T08:49:22.5Z"), JUNK),
        "Events": st.one_of(st.lists(events, max_size=10), JUNK),
    },
)
ids = st.sampled_from(["a", "b", "c"])
stubs = st.fixed_dictionaries(
    {
        "ID": ids,
        "ClientStatus": st.sampled_from(CLIENTS),
        "DesiredStatus": st.sampled_from(["run", "stop", "evict", ""]),
    },
    optional={
        "Name": st.sampled_from(["x.model[0]", "x.model[1]", "x", None]),
        "JobVersion": st.one_of(st.integers(0, 3), JUNK),
        "NextAllocation": st.one_of(ids, JUNK),
        "FollowupEvalID": st.one_of(st.just("e"), JUNK),
        "CreateTime": st.one_of(st.integers(0, 2 * 10**18), JUNK),
        "DeploymentStatus": st.one_of(st.fixed_dictionaries({"Healthy": st.just(True), "Timestamp": JUNK}), JUNK),
        "TaskStates": st.one_of(
            st.dictionaries(st.sampled_from(["server", "install", "proxy"]), tasks, max_size=3), JUNK
        ),
    },
)
evaluations = st.fixed_dictionaries(
    {"Status": st.sampled_from(["blocked", "pending", "complete", "failed", "canceled", ""])},
    optional={
        "ID": st.just("e"),
        "TriggeredBy": st.sampled_from(["alloc-reschedule", "max-disconnect-timeout", "job-register"]),
        "CreateIndex": st.one_of(st.integers(0, 50), JUNK),
        "ModifyTime": st.one_of(st.integers(0, 2 * 10**18), JUNK),
        "WaitUntil": st.one_of(st.just("2026-11-23T08:49:29Z"), JUNK),
        "FailedTGAllocs": st.one_of(st.just({"model": {"DimensionExhausted": {"memory": 1}}}), JUNK),
    },
)
checks = st.dictionaries(
    st.sampled_from(["1", "2"]),
    st.fixed_dictionaries(
        {"Status": st.sampled_from(["success", "failure", "pending", ""])},
        optional={"Output": JUNK, "StatusCode": JUNK},
    ),
    max_size=2,
)
job_facts = st.builds(
    facts,
    allocations=st.lists(stubs, max_size=4, unique_by=lambda stub: stub["ID"]),
    evaluations=st.lists(evaluations, max_size=3),
    checks=st.dictionaries(ids, st.one_of(st.none(), checks), max_size=3),
    remembered=st.dictionaries(ids, st.builds(Remembered, st.booleans(), st.integers(0, 9)), max_size=3),
    count=st.integers(0, 3),
    version=st.integers(0, 3),
    digests=st.dictionaries(st.integers(0, 3), st.sampled_from(["one", "two"]), max_size=3),
    is_stopped=st.booleans(),
    definition=st.sampled_from([{}, DEFINITION]),
)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@given(job_facts)
@settings(max_examples=100, deadline=None)
def test_a_replica_is_never_better_than_its_checks(seen: JobFacts) -> None:
    by_id = {stub["ID"]: stub for stub in seen.allocations}
    for replica in derive_observation(seen, None, NOW).replicas:
        stub, answer = by_id[replica.id], seen.checks.get(replica.id)
        if replica.ready:
            assert stub["ClientStatus"] == "running"
            assert stub["DesiredStatus"] not in {"stop", "evict"} and not seen.is_stopped
            assert answer and all(check["Status"] == "success" for check in answer.values())
        assert replica.ready == (replica.phase is Phase.READY) == (replica.reason is None)
        assert replica.live == (replica.phase is not Phase.ENDED)


@given(job_facts)
@settings(max_examples=100, deadline=None)
def test_what_has_ended_lives_only_where_it_is_started_again(seen: JobFacts) -> None:
    by_id = {stub["ID"]: stub for stub in seen.allocations}
    pending = {evaluation.get("ID") for evaluation in seen.evaluations if evaluation["Status"] == "pending"}
    for replica in derive_observation(seen, None, NOW).replicas:
        stub = by_id[replica.id]
        if replica.live and stub["ClientStatus"] in TERMINAL:
            assert replica.phase is Phase.BACKING_OFF
            assert stub["DesiredStatus"] == "run" and stub.get("FollowupEvalID") in pending and not seen.is_stopped
        if stub["ClientStatus"] not in TERMINAL:
            assert replica.live, "nothing says that its process has ended"


@given(job_facts, st.randoms())
@settings(max_examples=100, deadline=None)
def test_what_is_derived_is_well_formed(seen: JobFacts, random: Any) -> None:
    first = derive_observation(seen, None, NOW)
    for replica in first.replicas:
        assert replica.since.tzinfo is not None and replica.started_at <= replica.since
        assert replica.crashes >= 0 and (replica.crashes == 0 or not replica.ready)
    for reason in [first.waiting, first.failed, *(replica.reason for replica in first.replicas)]:
        assert reason is None or (reason.code in CATALOGUE and reason.text and "\n" not in reason.text)
    assert derive_observation(seen, None, NOW) == first
    rows = list(seen.allocations)
    random.shuffle(rows)
    assert derive_observation(replace(seen, allocations=tuple(rows)), None, NOW) == first, (
        "the order of the rows means nothing"
    )


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_missing_in_an_answer_nothing_is_raised(data: st.DataObject) -> None:
    """Take a real answer, and remove or spoil a few things in it: at worst less is said, never that it is ready."""
    truth = data.draw(st.sampled_from(MOMENTS))
    whole = make_facts(load_recording(truth.recording)["snapshots"][truth.snapshot], truth.digests)
    assert whole is not None
    seen = replace(
        whole,
        allocations=copy.deepcopy(whole.allocations),
        evaluations=copy.deepcopy(whole.evaluations),
        definition=copy.deepcopy(whole.definition),
    )
    parts: list[Any] = [*seen.allocations, *seen.evaluations, *seen.evaluations, seen.definition]
    for _ in range(data.draw(st.integers(1, 6))):
        _spoil(data, data.draw(st.sampled_from(parts)))
    spoilt = derive_observation(seen, None, look_at_whole(truth.recording, truth.snapshot))
    assert {replica.id for replica in spoilt.replicas if replica.ready} <= _passing(seen)


def look_at_whole(recording: str, snapshot: int) -> datetime:
    return look_at(load_recording(recording)["snapshots"][snapshot], 10)


def _spoil(data: st.DataObject, part: Json) -> None:
    """Remove or replace something in a part or further down in it; the ids that join parts stay."""
    keys = [key for key in part if key not in {"ID", "CreateIndex"}]
    if not keys:
        return
    key = data.draw(st.sampled_from(sorted(keys)))
    inner = part[key][0] if isinstance(part[key], list) and part[key] else part[key]
    if isinstance(inner, dict) and inner and data.draw(st.integers(0, 3)):
        _spoil(data, inner)
    elif data.draw(st.booleans()):
        del part[key]
    else:
        part[key] = data.draw(JUNK)


def _passing(seen: JobFacts) -> set[str]:
    if not seen.has_check:
        return {stub["ID"] for stub in seen.allocations}
    return {
        id for id, answer in seen.checks.items() if answer and all(c["Status"] == "success" for c in answer.values())
    }


def test_a_sentence_does_not_change_while_nothing_happens() -> None:
    """Every change of an observation is stored and sent to those who watch; the time alone is no change."""
    for truth in MOMENTS:
        snapshot = load_recording(truth.recording)["snapshots"][truth.snapshot]
        seen = make_facts(snapshot, truth.digests)
        assert seen is not None
        at = look_at(snapshot, 10)
        looks: list[Observation] = [
            derive_observation(seen, None, at + timedelta(seconds=later)) for later in (0, 1, 60)
        ]
        assert looks[0] == looks[1] == looks[2]
