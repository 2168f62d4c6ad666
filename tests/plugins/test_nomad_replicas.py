"""How far a replica has come, its crashes and its sentences, in what no recording shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from serai.domain.observation import Observation, Phase, Replica
from serai_nomad.facts import JobFacts, Remembered
from serai_nomad.state.observation import derive_observation
from tests.plugins.nomad_stubs import (
    DEFINITION,
    REFUSED,
    Json,
    after,
    check,
    evaluation,
    event,
    facts,
    healthy,
    restarting,
    stub,
    task,
    terminated,
    text_of,
)

STARTED = event("Started", 1)
MISSING = "Missing: nomad.var.block(nomad/jobs/whisper-v1@default.global)"
PROGRESS = "Docker image pull progress: Pulled 27/28 (6.908 GiB/9.108 GiB) layers: 1 waiting/0 pulling"


def look(seen: JobFacts) -> Observation:
    return derive_observation(seen, None, after(100))


def only(seen: JobFacts) -> Replica:
    (replica,) = look(seen).replicas
    return replica


def said(replica: Replica) -> tuple[Phase, str, str]:
    assert replica.reason is not None
    return replica.phase, replica.reason.code, replica.reason.text


# on the way up


def test_packages_are_installed_while_nomad_calls_it_running() -> None:
    installs = stub(install=task("running", STARTED), server=task("pending", event("Received")))
    replica = only(facts([installs], checks={"a": check("failure", REFUSED)}))
    assert said(replica)[:2] == (Phase.INSTALLING, "installing")
    assert only(facts([installs], has_check=False)).phase is Phase.INSTALLING, "not ready, though there is no check"


def test_between_the_packages_and_the_process() -> None:
    done = task("dead", STARTED, terminated(0))
    row = stub(client="pending", install=done, server=task("pending", event("Received"), event("Task Setup", 2)))
    assert said(only(facts([row]))) == (
        Phase.INSTALLING,
        "installing",
        "The packages are installed; the process is started.",
    )


def test_an_image_is_pulled_for_the_installation() -> None:
    pulls = event("Driver", 2, "Downloading image", image="reg.example/m:1")
    progress = event("Driver", 9, PROGRESS)
    row = stub(client="pending", install=task("pending", pulls, progress), server=task("pending", event("Received")))
    replica = only(facts([row]))
    assert said(replica) == (
        Phase.FETCHING,
        "fetching",
        "Node n1 pulls the image reg.example/m:1: 27 of 28 layers, 6.908 GiB of 9.108 GiB.",
    )
    assert replica.since == after(2), "when it began, not when it was last heard of"


def test_a_bundle_is_fetched() -> None:
    row = stub(client="pending", server=task("pending", event("Received"), event("Downloading Artifacts", 2)))
    assert said(only(facts([row]))) == (Phase.FETCHING, "fetching", "Node n1 fetches the version's files.")


def test_a_missing_secret_is_named() -> None:
    row = stub(client="pending", server=task("pending", event("Received"), event("Template", 2, MISSING)))
    assert said(only(facts([row]))) == (
        Phase.PLACED,
        "secret-missing",
        "It waits for its secrets: there is no variable nomad/jobs/whisper-v1.",
    )


@pytest.mark.parametrize(
    ("answer", "phase", "code", "text"),
    [
        (None, Phase.LOADING, "node-unreachable", "Node n1 does not answer, so it is not known whether the replica is"),
        ({}, Phase.LOADING, "loading", "The process runs; Nomad has not started its health check yet."),
        (
            check("failure", REFUSED),
            Phase.LOADING,
            "loading",
            "The process runs, but nothing listens on 127.0.0.1:8000",
        ),
        (
            check("failure", 'nomad: Get "http://10.0.0.1:80/": dial tcp 10.0.0.1:80: i/o timeout'),
            Phase.LOADING,
            "loading",
            "The process runs, but the health check failed: 10.0.0.1:80 does not answer.",
        ),
        (
            check("failure", "nomad: loading the weights", 503),
            Phase.CHECKING,
            "checking",
            "The port is open, but the health check was answered with 503: loading the weights.",
        ),
        (
            check("failure", 'nomad: Get "http://n:1/": context deadline exceeded (Client.Timeout exceeded)'),
            Phase.CHECKING,
            "checking",
            "The port is open, but the health check failed: no answer came in time.",
        ),
        (check("pending", "nomad: waiting to run"), Phase.LOADING, "loading", "The process runs; its health check is"),
    ],
)
def test_a_running_process_that_is_not_ready(answer: Json | None, phase: Phase, code: str, text: str) -> None:
    replica = only(facts([stub(server=task("running", STARTED))], checks={"a": answer}))
    assert said(replica)[:2] == (phase, code)
    assert said(replica)[2].startswith(text)
    assert replica.live and not replica.ready


def test_all_checks_have_to_succeed() -> None:
    both = {**check(), "second": check("failure", REFUSED)["ready"]}
    assert not only(facts([stub(server=task())], checks={"a": both})).ready
    assert only(facts([stub(server=task())], checks={"a": check()})).ready


def test_a_version_without_a_check_is_ready_when_it_runs() -> None:
    assert only(facts([stub(server=task())], has_check=False)).ready
    assert not only(facts([stub(client="pending", server=task("pending"))], has_check=False)).ready


# after it was ready


def test_a_check_that_fails_after_it_passed() -> None:
    row = stub(server=task("running", STARTED))
    replica = only(facts([row], checks={"a": check("failure", REFUSED)}, remembered={"a": Remembered(True)}))
    assert said(replica) == (
        Phase.CHECKING,
        "check-failed",
        "The health check fails, though it did pass before: nothing listens on 127.0.0.1:8000.",
    )
    told = only(facts([{**row, "DeploymentStatus": healthy()}], checks={"a": check("failure", REFUSED)}))
    assert said(told)[1] == "check-failed", "a restarted server takes Nomad's old health for a hint"


def test_when_it_became_ready_is_remembered() -> None:
    remembered = {"a": Remembered(True, 0, after(7))}
    assert only(facts([stub(server=task())], checks={"a": check()}, remembered=remembered)).since == after(7)


def test_crashes_are_counted_since_it_was_ready() -> None:
    row = stub(client="pending", server=task("pending", terminated(1, at=50), restarting(51), restarts=5))
    replica = only(facts([row], remembered={"a": Remembered(True, 4, after(9))}))
    assert (replica.phase, replica.crashes) == (Phase.BACKING_OFF, 1)
    forgotten = only(facts([{**row, "DeploymentStatus": healthy(9)}]))
    assert forgotten.crashes == 1, "health was set before the newest restart"
    ready = only(facts([stub(server=task(restarts=5))], checks={"a": check()}))
    assert (ready.ready, ready.crashes, ready.reason) == (True, 0, None)


def test_a_restart_that_somebody_asked_for_is_no_crash() -> None:
    asked = event("Restart Signaled", 5, restart_reason="User requested task to restart")
    row = stub(server=task("running", STARTED, asked, terminated(130, 2, 6), event("Started", 7), restarts=1))
    replica = only(facts([row], checks={"a": check("failure", REFUSED)}))
    assert (replica.crashes, said(replica)[1]) == (0, "loading")


# crashes before it was ready


def test_from_the_first_crash_until_it_is_ready_its_reason_is_the_crash() -> None:
    events = (STARTED, terminated(3, at=2), restarting(3), event("Started", 5))
    replica = only(facts([stub(server=task("running", *events, restarts=1))], checks={"a": check("failure", REFUSED)}))
    assert replica.reason is not None
    again = "it was started again (try 2): the process runs, but nothing listens on 127.0.0.1:8000 yet."
    assert said(replica) == (Phase.LOADING, "restarting", f"The process exited with code 3; {again}")
    assert (replica.crashes, replica.reason.exit_code) == (1, 3)


def failed(id: str, next: str, at: float, restarts: int = 0, **keys: Any) -> Json:
    events = (event("Started", at), terminated(3, at=at + 1))
    state = task("dead", *events, failed=True, restarts=restarts, started=at)
    desired = "stop" if next else "run"
    return stub(
        id, "failed", desired, NextAllocation=next, CreateTime=int(after(at).timestamp() * 1e9), server=state, **keys
    )


def test_crashes_go_on_over_the_allocations_of_a_place() -> None:
    rows = [failed("a", "b", 1, restarts=2), failed("b", "c", 10, restarts=2), stub("c", client="pending")]
    newest = next(replica for replica in look(facts(rows)).replicas if replica.id == "c")
    assert (newest.phase, newest.crashes) == (Phase.PLACED, 6)
    assert newest.reason is not None
    assert newest.reason.exit_code == 3
    assert newest.reason.text.startswith(
        "The process exited with code 3; it was started again (try 7): it has its place"
    )


def test_crashes_before_the_last_readiness_or_of_another_digest_do_not_count() -> None:
    rows = [failed("a", "b", 1), failed("b", "c", 10), stub("c", client="pending")]
    by_id = {r.id: r.crashes for r in look(facts(rows, remembered={"b": Remembered(True)})).replicas}
    assert by_id == {"a": 1, "b": 1, "c": 1}
    other = [failed("a", "c", 1, JobVersion=0), stub("c", client="pending", JobVersion=1)]
    by_id = {r.id: r.crashes for r in look(facts(other, version=1, digests={0: "old"})).replicas}
    assert by_id == {"a": 1, "c": 0}


def test_rows_that_nomad_has_forgotten_still_count() -> None:
    tracker = {"Events": [{"PrevAllocID": "x"}, {"PrevAllocID": "y"}, {"PrevAllocID": "a"}]}
    rows = [failed("a", "b", 1), stub("b", client="pending", RescheduleTracker=tracker)]
    assert {r.id: r.crashes for r in look(facts(rows)).replicas} == {"a": 1, "b": 1}
    older = {"Events": [{"PrevAllocID": "x"}, {"PrevAllocID": "y"}]}
    rows = [failed("a", "b", 1, RescheduleTracker=older), stub("b", client="pending", RescheduleTracker=tracker)]
    assert {r.id: r.crashes for r in look(facts(rows)).replicas} == {"a": 3, "b": 3}


def test_links_in_a_circle_end() -> None:
    rows = [failed("a", "b", 1), failed("b", "a", 2)]
    assert {r.id: r.crashes for r in look(facts(rows)).replicas} == {"a": 2, "b": 2}


@pytest.mark.parametrize(("attempts", "promises"), [("", True), ("2", True), ("1", False)])
def test_the_last_crash_promises_no_further_try(attempts: str, promises: bool) -> None:
    definition = {**DEFINITION, "Meta": {"serai.attempts": attempts}}
    row = stub(client="pending", server=task("pending", STARTED, terminated(1), restarting(2), restarts=1))
    text = said(only(facts([row], definition=definition)))[2]
    assert text == "The process exited with code 1" + (
        "; try 2 starts at 09:00:04 UTC, after a pause of 2 s." if promises else "."
    )


def test_the_next_placement_is_told_only_while_it_is_planned() -> None:
    planned = evaluation("pending", "alloc-reschedule", 2, WaitUntil=text_of(12))
    row = failed("a", "", 1, FollowupEvalID="e-alloc-reschedule")
    seen = look(facts([row], [evaluation(), planned]))
    assert said(seen.replicas[0]) == (
        Phase.BACKING_OFF,
        "restarting",
        "The process exited with code 3; try 2 starts at 09:00:12 UTC, after a pause of 10 s.",
    )
    assert seen.waiting is not None
    assert seen.waiting.code == "rescheduling"
    over = look(facts([row], [evaluation(), {**planned, "Status": "complete"}]))
    assert over.replicas[0].phase is Phase.ENDED
    assert over.failed is not None
    assert (over.failed.code, over.failed.exit_code) == ("crash-loop", 3)


def test_a_stopped_job_starts_nothing_again() -> None:
    planned = evaluation("pending", "alloc-reschedule", 2, WaitUntil=text_of(12))
    rows = [failed("a", "", 1, FollowupEvalID="e-alloc-reschedule"), stub("b", index=1, server=task())]
    seen = look(facts(rows, [planned], is_stopped=True, count=0))
    assert [replica.phase for replica in seen.replicas] == [Phase.ENDED, Phase.STOPPING]
    assert (seen.count, seen.waiting, seen.failed) == (0, None, None)


def test_a_cause_that_no_try_can_change_ends_it_at_once() -> None:
    error = "Failed to pull `m:1`: Error response from daemon: manifest unknown"
    row = stub(client="pending", server=task("pending", event("Driver Failure", 2, error), restarting(3), restarts=1))
    seen = look(facts([row]))
    assert seen.failed is not None
    assert seen.failed.code == "image-missing"
    assert seen.failed.text == "The image m:1 cannot be pulled on node n1: manifest unknown."


# leaving


def test_a_replica_that_gave_way() -> None:
    row = stub(desired="evict", server=task())
    assert said(only(facts([row], checks={"a": check()})))[:2] == (Phase.STOPPING, "preempted")
    row = stub(client="complete", desired="evict", server=task("dead", event("Killing", 2), terminated(143, 15, 3)))
    replica = only(facts([row]))
    assert said(replica)[:2] == (Phase.ENDED, "preempted")
    assert replica.since == after(2), "when its task ended"


def test_what_is_known_of_its_place_goes_along() -> None:
    seen = facts([stub(server=task())], addresses={"a": "10.0.0.1:8000"}, gpus={"a": ("GPU-1", "GPU-2")})
    replica = only(seen)
    assert (replica.address, replica.gpus, replica.node) == ("10.0.0.1:8000", ("GPU-1", "GPU-2"), "n1")


def test_a_replica_carries_the_digest_of_the_version_it_was_started_for() -> None:
    rows = [stub("a", JobVersion=1), stub("b", JobVersion=3, index=1), stub("c", JobVersion=5, index=2)]
    seen = look(facts(rows, version=5, digest="new", digests={3: "old"}, count=1))
    assert [replica.digest for replica in seen.replicas] == ["old", "old", "new"]


# since when a server hands out bundles -> crashes in a row; tries at 2, 6 and 10 s could not fetch theirs
@pytest.mark.parametrize(("served_since", "crashes"), [(None, 3), (1, 3), (7, 1), (11, 0)])
def test_that_there_was_no_server_to_fetch_the_files_from_is_no_crash(served_since: int | None, crashes: int) -> None:
    since = None if served_since is None else after(served_since)
    assert count_download_crashes("could not fetch http://127.0.0.1:1/: connection refused", since) == crashes


@pytest.mark.parametrize(
    ("error", "crashes"),
    [
        ("getter: Checksums did not match for /alloc/b. Expected: a. Got: b", 3),
        ("bad response code: 404", 3),
        ("bad response code: 502", 0),  # of what stands before a server that is not there
        ("dial tcp 127.0.0.1:1: i/o timeout", 0),
    ],
)
def test_what_only_a_server_says_is_a_crash_whenever_it_is_said(error: str, crashes: int) -> None:
    assert count_download_crashes(error, after(11)) == crashes


def count_download_crashes(error: str, served_since: datetime | None) -> int:
    """Return the crashes in a row of a replica that could not fetch its files at 2, 6 and 10 s."""
    tries = [event("Failed Artifact Download", at, download_error=error) for at in (2, 6, 10)]
    row = stub(client="failed", server=task("dead", *tries, failed=True, restarts=2))
    return only(facts([row], served_since=served_since)).crashes
