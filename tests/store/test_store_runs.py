"""Starts, stops, failures, handovers: rows of a table, then any order of calls against a model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from serai.domain.deployment import HandoverMode, Progress, Settings, Stage
from serai.domain.reasons import Reason, make_reason
from serai.store import deployments, events, versions
from serai.store.database import Database
from tests.store.intent import NOW, SPEC, add_deployment, kinds, later, make_ready


@pytest.fixture
def three(db: Database) -> Database:
    """Deployment `digits` with the versions 1 to 3, none of them started."""
    add_deployment(db, versions_count=3)
    return db


def start(db: Database, number: int, ready: bool = False) -> None:
    versions.activate(db, "digits", number, later(1), "ann")
    if ready:
        make_ready(db, number)


def intent(db: Database) -> tuple[int | None, int | None]:
    deployment = deployments.get_deployment(db, "digits")
    return deployment.active, deployment.incumbent


def test_first_start(three: Database) -> None:
    before, newest = deployments.get_deployment(three, "digits"), events.last_event_id(three)
    deployment = versions.activate(three, "digits", 2, later(1), "bob")
    assert deployment == deployments.get_deployment(three, "digits")
    assert (deployment.active, deployment.incumbent, deployment.handing) == (2, None, None)
    assert deployment.revision > before.revision
    version = versions.get_version(three, "digits", 2)
    assert (version.run, version.started_at) == (1, later(1))
    assert version.progress == Progress(Stage.QUEUED, later(1))
    assert kinds(three, newest) == [("version.started", 2)]
    assert events.list_events(three)[0].actor == "bob"


def test_start_of_the_active_version_changes_nothing(three: Database) -> None:
    start(three, 1)
    before, newest = deployments.get_deployment(three, "digits"), events.last_event_id(three)
    assert versions.activate(three, "digits", 1, later(50), "ann") == before
    assert versions.get_version(three, "digits", 1).run == 1
    assert kinds(three, newest) == []


def test_start_again_is_another_run_without_the_old_outcome(three: Database) -> None:
    start(three, 1)
    digest = versions.get_version(three, "digits", 1).run_digest
    assert versions.fail_version(three, "digits", 1, 1, make_reason("crash-loop"), later(9))
    assert versions.get_version(three, "digits", 1).outcome == make_reason("crash-loop")
    versions.activate(three, "digits", 1, later(20), "ann")
    version = versions.get_version(three, "digits", 1)
    assert (version.run, version.outcome, version.started_at) == (2, None, later(20))
    assert version.run_digest != digest


@pytest.mark.parametrize(
    ("starts", "number", "expected", "superseded"),
    [
        # (number, ready) of the starts before, what is started now -> active, incumbent, superseded
        ([(1, True)], 2, (2, 1), []),
        ([(1, False)], 2, (2, None), [1]),
        ([(1, True), (2, False)], 3, (3, 1), [2]),
        ([(1, True), (2, True)], 3, (3, 2), [1]),
        ([(1, True), (2, False)], 1, (1, None), [2]),
        ([(1, True), (2, True)], 1, (1, 2), []),
    ],
)
def test_who_serves_until_the_new_one_is_ready(
    three: Database,
    starts: list[tuple[int, bool]],
    number: int,
    expected: tuple[int, int | None],
    superseded: list[int],
) -> None:
    for each, ready in starts:
        start(three, each, ready)
    newest = events.last_event_id(three)
    versions.activate(three, "digits", number, later(30), "ann")
    assert intent(three) == expected
    assert kinds(three, newest) == [("version.started", number)] + [("version.superseded", old) for old in superseded]


def test_going_back_to_the_serving_incumbent_does_not_interrupt_it(three: Database) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    before = versions.get_version(three, "digits", 1)
    versions.activate(three, "digits", 1, later(40), "ann")
    assert versions.get_version(three, "digits", 1) == before


def test_going_back_to_an_incumbent_that_does_not_serve_starts_it(three: Database) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    versions.set_progress(three, "digits", 1, 1, Progress(Stage.QUEUED, later(20)))
    versions.activate(three, "digits", 1, later(40), "ann")
    version = versions.get_version(three, "digits", 1)
    assert (version.run, version.progress) == (2, Progress(Stage.QUEUED, later(40)))


@pytest.mark.parametrize(
    ("number", "expected", "stopped"),
    [(2, (None, None), [2, 1]), (1, (2, None), [1]), (3, (2, 1), [])],
)
def test_stop(three: Database, number: int, expected: tuple[int | None, int | None], stopped: list[int]) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    assert versions.choose_handover(three, "digits", 2, 1, HandoverMode.OVERLAP, later(13))
    newest = events.last_event_id(three)
    deployment = versions.deactivate(three, "digits", number, later(14), "bob")
    assert (deployment.active, deployment.incumbent) == intent(three) == expected
    assert (deployment.handing is None) is bool(stopped)
    assert kinds(three, newest) == [("version.stopped", each) for each in stopped]
    assert versions.deactivate(three, "digits", number, later(15), "bob") == deployment, "stopping twice is once"


def test_failure_gives_the_place_back_to_the_incumbent(three: Database) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    newest = events.last_event_id(three)
    reason = Reason("check-failed", "GET /healthz answered 500.", "help", ("last\0 line \udcff", "🙂"), -9)
    assert versions.fail_version(three, "digits", 2, 1, reason, later(9))
    assert intent(three) == (1, None)
    assert versions.get_version(three, "digits", 2).outcome == reason
    assert versions.get_version(three, "digits", 1).run == 1, "it has been serving all along"
    assert kinds(three, newest) == [("version.failed", 2), ("version.returned", 1)]
    assert events.list_events(three)[1].text == reason.text
    assert not versions.fail_version(three, "digits", 2, 1, reason, later(10)), "it is failed once"


@pytest.mark.parametrize("case", ["other version", "incumbent", "other run", "stopped", "deleted", "no deployment"])
def test_failure_of_what_is_not_meant_any_more_is_ignored(three: Database, case: str) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    name, number, run = "digits", 2, 1
    if case == "other version":
        number = 3
    elif case == "incumbent":
        number = 1
    elif case == "other run":
        run = 7
    elif case == "no deployment":
        name = "nope"
    else:
        versions.deactivate(three, "digits", 2, NOW, "ann")
    if case == "deleted":
        versions.delete_version(three, "digits", 2, NOW, "ann")
    before, newest = intent(three), events.last_event_id(three)
    assert not versions.fail_version(three, name, number, run, make_reason("crash-loop"), NOW)
    assert (intent(three), kinds(three, newest)) == (before, [])


def test_handover(three: Database) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    newest = events.last_event_id(three)
    for active, incumbent in ((1, 2), (2, 3), (3, 1)):
        assert not versions.choose_handover(three, "digits", active, incumbent, HandoverMode.REPLACE, NOW)
        assert not versions.finish_handover(three, "digits", active, incumbent, NOW)
    assert not versions.finish_handover(three, "nope", 2, 1, NOW)
    assert deployments.get_deployment(three, "digits").handing is None
    assert versions.choose_handover(three, "digits", 2, 1, HandoverMode.ROLLING, NOW)
    assert deployments.get_deployment(three, "digits").handing is HandoverMode.ROLLING
    assert versions.finish_handover(three, "digits", 2, 1, NOW)
    deployment = deployments.get_deployment(three, "digits")
    assert (deployment.active, deployment.incumbent, deployment.handing) == (2, None, None)
    assert kinds(three, newest) == [("version.handed-over", 2)]


def test_new_start_forgets_the_mode_of_the_handover_before(three: Database) -> None:
    start(three, 1, ready=True)
    start(three, 2)
    versions.choose_handover(three, "digits", 2, 1, HandoverMode.REPLACE, NOW)
    start(three, 3)
    assert deployments.get_deployment(three, "digits").handing is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4321, "0.43 s"), (12, "12 s"), (7.26, "7.3 s"), (72.4, "72 s"), (600, "10m"), (-30, "0 s")],
)
def test_first_readiness_of_a_run_is_an_event(three: Database, seconds: float, text: str) -> None:
    start(three, 1)
    newest = events.last_event_id(three)
    ready = Progress(Stage.READY, later(1 + seconds), was_ready=True)
    again = Progress(Stage.STARTING, later(700), was_ready=True)
    for progress in (Progress(Stage.STARTING, later(2)), ready, again, ready):
        assert versions.set_progress(three, "digits", 1, 1, progress)
        assert versions.get_version(three, "digits", 1).progress == progress
    (event,) = events.events_after(three, newest)
    assert (event.kind, event.text, event.at) == ("version.ready", f"ready after {text}", ready.since)


def test_every_run_becomes_ready_for_itself(three: Database) -> None:
    for _ in range(2):
        start(three, 1, ready=True)
        versions.deactivate(three, "digits", 1, NOW, "ann")
    assert kinds(three).count(("version.ready", 1)) == 2


def test_progress_of_another_run_is_ignored(three: Database) -> None:
    start(three, 1)
    before, newest = versions.get_version(three, "digits", 1), events.last_event_id(three)
    ready = Progress(Stage.READY, later(9))
    assert not versions.set_progress(three, "digits", 1, 2, ready)
    assert not versions.set_progress(three, "digits", 9, 1, ready)
    assert not versions.set_progress(three, "nope", 1, 1, ready)
    assert (versions.get_version(three, "digits", 1), kinds(three, newest)) == (before, [])


def test_every_change_has_a_revision_of_its_own(db: Database) -> None:
    """Readers compare it to know whether to read a deployment and its versions again."""
    name = "digits"
    changes: list[Callable[[], object]] = [
        lambda: add_deployment(db),
        lambda: deployments.change_settings(db, name, Settings(count=5), NOW, "ann"),
        lambda: versions.add_version(db, name, SPEC, {}, NOW, "ann"),
        lambda: versions.add_version(db, name, SPEC, {}, NOW, "ann"),
        lambda: versions.activate(db, name, 1, NOW, "ann"),
        lambda: versions.set_progress(db, name, 1, 1, Progress(Stage.STARTING, NOW)),
        lambda: make_ready(db, 1),
        lambda: versions.activate(db, name, 2, NOW, "ann"),
        lambda: versions.choose_handover(db, name, 2, 1, HandoverMode.OVERLAP, NOW),
        lambda: versions.finish_handover(db, name, 2, 1, NOW),
        lambda: versions.fail_version(db, name, 2, 1, make_reason("crash-loop"), NOW),
        lambda: versions.activate(db, name, 1, NOW, "ann"),
        lambda: versions.deactivate(db, name, 1, NOW, "ann"),
        lambda: versions.delete_version(db, name, 1, NOW, "ann"),
        lambda: (deployments.delete_deployment(db, name, NOW, "ann"), add_deployment(db)),
    ]
    seen = [0]
    for change in changes:
        change()
        seen.append(deployments.get_deployment(db, name).revision)
    assert all(first < second for first, second in pairwise(seen)), seen
