"""The truth table of states: each row of the table in `serai.domain.status` is a row here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serai.domain.deployment import HandoverMode, Progress, Stage
from serai.domain.reasons import make_reason
from serai.domain.spec import Spec
from serai.domain.status import State, advance, derive_status
from tests.domain.situations import NOW, later, make_situation, make_version

FAILED = make_reason("crash-loop")
REPLACE = HandoverMode.REPLACE
OVERLAP = HandoverMode.OVERLAP

# what is wanted and seen, of version 1 -> state, code of the reason, ready, wanted
ROWS = {
    "nothing wanted, nothing there": ({}, "stopped", None, 0, 0),
    "nothing wanted, an ended replica": ({"replicas": {1: "-"}}, "stopped", None, 0, 0),
    "nothing wanted, still ready": ({"replicas": {1: "r"}}, "shutting_down", "stopping", 1, 0),
    "nothing wanted, stopping": ({"replicas": {1: "s"}}, "shutting_down", "stopping", 0, 0),
    "incumbent, serving": (
        {"active": 2, "incumbent": 1, "handing": OVERLAP, "replicas": {1: "r", 2: "l"}},
        "running",
        "handing-over",
        1,
        1,
    ),
    "incumbent, lost its replica": (
        {"active": 2, "incumbent": 1, "handing": OVERLAP, "replicas": {1: "l", 2: "l"}},
        "preparing",
        "loading",
        0,
        1,
    ),
    "incumbent, being replaced": (
        {"active": 2, "incumbent": 1, "handing": REPLACE, "replicas": {1: "s"}},
        "shutting_down",
        "stopping",
        0,
        0,
    ),
    "incumbent, replaced": (
        {"active": 2, "incumbent": 1, "handing": REPLACE, "replicas": {1: "-", 2: "l"}},
        "stopped",
        None,
        0,
        0,
    ),
    "active, count 0, nothing there": ({"active": 1, "count": 0}, "running", "idle", 0, 0),
    "active, count 0, still stopping": (
        {"active": 1, "count": 0, "replicas": {1: "s"}},
        "running",
        "idle",
        0,
        0,
    ),
    "incumbent, still ready but relieved": (
        {"active": 2, "incumbent": 1, "count": 2, "handing": HandoverMode.ROLLING, "replicas": {1: "r", 2: "rl"}},
        "shutting_down",
        "stopping",
        1,
        0,
    ),
    "active, some ready, the incumbent serves": (
        {"active": 1, "incumbent": 2, "count": 2, "handing": OVERLAP, "replicas": {1: "rl", 2: "rr"}},
        "preparing",
        "partly-ready",
        1,
        2,
    ),
    "active, some ready, the incumbent is gone": (
        {"active": 1, "incumbent": 2, "count": 2, "handing": OVERLAP, "replicas": {1: "rl", 2: "ll"}},
        "running",
        "partly-ready",
        1,
        2,
    ),
    "active, all ready": ({"active": 1, "count": 2, "replicas": {1: "rr"}}, "running", None, 2, 2),
    "active, some ready": ({"active": 1, "count": 2, "replicas": {1: "rl"}}, "running", "partly-ready", 1, 2),
    "active, one ready, one crashing for ever": (
        {"active": 1, "count": 2, "replicas": {1: "rb"}, "crashes": 99},
        "running",
        "partly-ready",
        1,
        2,
    ),
    "active, not seen yet": ({"active": 1}, "preparing", "scheduling", 0, 1),
    "active, no replica yet": ({"active": 1, "replicas": {1: ""}, "told": {1: 1}}, "preparing", "scheduling", 0, 1),
    "active, placed": ({"active": 1, "replicas": {1: "p"}}, "preparing", "placed", 0, 1),
    "active, loading": ({"active": 1, "replicas": {1: "l"}}, "preparing", "loading", 0, 1),
    "active, crashed once": ({"active": 1, "replicas": {1: "b"}, "crashes": 1}, "preparing", "crash-loop", 0, 1),
    "active, crashed too often": ({"active": 1, "replicas": {1: "b"}, "crashes": 3}, "error", "crash-loop", 0, 1),
    "active, the scheduler gave up": (
        {"active": 1, "replicas": {1: "-"}, "failed": {1: FAILED}},
        "error",
        "crash-loop",
        0,
        1,
    ),
    "active, the scheduler gave up on some": (
        {"active": 1, "count": 2, "replicas": {1: "r-"}, "failed": {1: FAILED}},
        "running",
        "partly-ready",
        1,
        2,
    ),
    "active, how it takes over is not decided yet": (
        {"active": 1, "incumbent": 2, "replicas": {2: "r"}},
        "preparing",
        "scheduling",
        0,
        1,
    ),
    "active, waiting for the old one to go": (
        {"active": 1, "incumbent": 2, "handing": REPLACE, "replicas": {2: "s"}},
        "preparing",
        "waiting-for-old",
        0,
        1,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_state(row: str) -> None:
    wanted, state, code, ready, count = ROWS[row]
    situation = make_situation(**wanted)  # type: ignore[arg-type]
    status = derive_status(situation, situation.versions[1], NOW)
    seen = (status.state.value, status.reason.code if status.reason else None, status.ready, status.wanted)
    assert seen == (state, code, ready, count)


def test_a_version_that_failed_is_in_error_until_it_is_started_again() -> None:
    failed = make_version(1, outcome=FAILED)
    assert derive_status(make_situation(versions=[failed]), failed, NOW).state is State.ERROR
    started = replace(failed, outcome=None, run=2)
    assert derive_status(make_situation(1, versions=[started]), started, NOW).state is State.PREPARING


def test_leftovers_of_an_earlier_run_say_nothing_about_this_one() -> None:
    before = make_situation(1, replicas={1: "b"}, crashes=5)
    again = replace(before, versions={1: replace(before.versions[1], run=2)})
    assert derive_status(before, before.versions[1], NOW).state is State.ERROR
    assert derive_status(again, again.versions[1], NOW).state is State.PREPARING


# stage, replicas, seconds since -> code of the failure, or None
DEADLINES = [
    (Stage.QUEUED, "", 59, None),
    (Stage.QUEUED, "", 61, "queue-timeout"),
    (Stage.FETCHING, "p", 10_000, None),
    (Stage.STARTING, "l", 29, None),
    (Stage.STARTING, "l", 31, "never-listened"),
    (Stage.STARTING, "b", 31, "start-timeout"),
    (Stage.READY, "r", 10_000, None),
]


@pytest.mark.parametrize(("stage", "letters", "seconds", "code"), DEADLINES)
def test_deadlines_count_from_the_change_of_stage(stage: Stage, letters: str, seconds: float, code: str | None) -> None:
    spec = Spec(start_timeout_s=30, queue_timeout_s=60)
    version = make_version(1, spec, progress=Progress(stage, NOW))
    situation = make_situation(1, replicas={1: letters}, versions=[version], told={1: 1}, crashes=0)
    status = derive_status(situation, version, later(seconds))
    assert (status.reason.code if status.state is State.ERROR and status.reason else None) == code


def test_without_a_queue_timeout_a_version_waits_for_ever() -> None:
    version = make_version(1, Spec(queue_timeout_s=0))
    situation = make_situation(1, replicas={1: ""}, versions=[version], told={1: 1})
    assert derive_status(situation, version, later(10**7)).state is State.PREPARING


def test_nothing_is_concluded_without_an_observation_of_this_run() -> None:
    version = make_version(1, Spec(start_timeout_s=1), progress=Progress(Stage.STARTING, NOW))
    situation = make_situation(1, versions=[version])
    assert derive_status(situation, version, later(10**6)).state is State.PREPARING


def test_progress_keeps_its_time_while_the_stage_stays() -> None:
    version = make_version(1, progress=Progress(Stage.STARTING, NOW))
    loading = make_situation(1, replicas={1: "l"}, versions=[version])
    assert advance(loading, version, later(5)) == Progress(Stage.STARTING, NOW)
    ready = make_situation(1, replicas={1: "r"}, versions=[version])
    assert advance(ready, version, later(5)) == Progress(Stage.READY, later(5), was_ready=True)


def test_progress_remembers_that_a_run_was_ready() -> None:
    version = make_version(1, progress=Progress(Stage.READY, NOW, was_ready=True))
    crashed = make_situation(1, replicas={1: "b"}, versions=[version])
    assert advance(crashed, version, later(5)) == Progress(Stage.STARTING, later(5), was_ready=True)
