"""A scheduler that refuses to be observed: states and routes stay as they were, and the reason says why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from serai.domain.deployment import HandoverMode, Progress, Stage
from serai.domain.errors import SchedulerError, SchedulerUnavailable
from serai.domain.observation import Observation
from serai.plugin.testing.fakes import FakeClock, FakeScheduler
from serai.reconcile.views import Freshness, make_view
from tests.domain.situations import NOW, make_situation, make_version
from tests.reconcile.world import World


class RefusingScheduler(FakeScheduler):
    """Answers as a scheduler whose token has lost its rights while `refuses`."""

    refuses = False

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        if self.refuses:
            raise SchedulerError("the token lacks read-job in the namespace models", "permission-denied")
        return super().observe(ids)


def test_a_refusal_changes_nothing_and_is_said_with_its_code(tmp_path: Path) -> None:
    scheduler = RefusingScheduler(FakeClock())
    world = World(tmp_path, scheduler=scheduler)
    world.deploy()
    world.tick(3)
    route = world.route()
    scheduler.refuses = True
    world.tick(3)
    view = world.cluster.view("m").versions[0]
    assert (view.status.state.value, view.stale) == ("running", True)
    assert view.status.reason is not None
    assert view.status.reason.code == "permission-denied"
    assert "lacks read-job in the namespace models" in view.status.reason.text
    assert "operate-nomad" in view.status.reason.help
    assert world.route() == route
    scheduler.refuses = False
    world.tick(2)
    assert world.cluster.view("m").versions[0].status.reason is None
    world.close()


def test_no_deadline_passes_while_nothing_is_seen(world: World) -> None:
    world.script(1, ready_after=99)
    world.deploy(start_timeout="60s")
    world.tick(3)
    world.scheduler.reachable = False
    world.tick(5, 100)
    assert (world.states(), world.reason(1)) == ({1: "preparing"}, "stale")
    world.script(1, ready_after=0)
    world.scheduler.step()
    world.scheduler.reachable = True
    world.tick(2)
    assert (world.states(), world.events("version.failed")) == ({1: "running"}, 0)


def test_who_waits_for_a_change_hears_of_doubt_and_of_its_end_once(world: World) -> None:
    world.deploy()
    world.tick(3)

    def indexes() -> tuple[int, int]:
        return world.changes.index("m"), world.changes.index()

    before = indexes()
    world.scheduler.reachable = False
    world.tick(1)
    doubtful = indexes()
    assert all(new > old for new, old in zip(doubtful, before, strict=True))
    world.tick(3)
    assert indexes() == doubtful
    world.scheduler.reachable = True
    world.tick(1)
    trusted = indexes()
    assert all(new > old for new, old in zip(trusted, doubtful, strict=True))
    world.tick(3)
    assert indexes() == trusted


class SilentScheduler(FakeScheduler):
    """Lets itself be asked for `silence_s`, and then says that it cannot be reached; `during` is what happens then."""

    silence_s = 0.0
    during: Callable[[], None] = staticmethod(lambda: None)

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        if self.silence_s:
            self.clock.advance(self.silence_s)  # type: ignore[attr-defined]
            self.during()
            raise SchedulerUnavailable("nobody answers")
        return super().observe(ids)


@pytest.mark.parametrize(("silence_s", "stale"), [(1, False), (4.9, False), (5.1, True), (30, True)])
def test_who_reads_while_a_scheduler_is_silent_is_told_so(tmp_path: Path, silence_s: float, stale: bool) -> None:
    scheduler = SilentScheduler(FakeClock())
    world = World(tmp_path, scheduler=scheduler)
    world.deploy()
    world.tick(3)
    seen: list[bool] = []
    scheduler.during = lambda: seen.append(world.cluster.view("m").versions[0].stale)
    scheduler.silence_s = silence_s
    world.tick()
    assert seen == [stale]
    assert world.cluster.view("m").versions[0].stale
    scheduler.silence_s = 0
    world.tick()
    assert not world.cluster.view("m").versions[0].stale
    world.close()


def test_a_server_that_never_observed_says_why(tmp_path: Path) -> None:
    scheduler = RefusingScheduler(FakeClock())
    world = World(tmp_path, scheduler=scheduler)
    world.deploy()
    world.tick(3)
    world = world.restarted()
    scheduler.refuses = True
    world.tick(2)
    assert (world.states(), world.reason(1)) == ({1: "running"}, "permission-denied")
    world.close()


READY, STARTING = Progress(Stage.READY, NOW), Progress(Stage.STARTING, NOW)


@pytest.mark.parametrize(
    ("active", "incumbent", "states"),
    [
        (READY, None, {2: "running", 1: "stopped"}),
        (STARTING, None, {2: "preparing", 1: "stopped"}),
        (STARTING, READY, {2: "preparing", 1: "running"}),
        (READY, READY, {2: "preparing", 1: "running"}),
        (READY, STARTING, {2: "running", 1: "preparing"}),
        (STARTING, STARTING, {2: "preparing", 1: "preparing"}),
    ],
)
def test_one_version_at_most_is_remembered_as_running(
    active: Progress, incumbent: Progress | None, states: dict[int, str]
) -> None:
    versions = [make_version(1, progress=incumbent), make_version(2, progress=active)]
    situation = make_situation(2, 1 if incumbent else None, versions=versions, handing=HandoverMode.ROLLING)
    view = make_view(situation, NOW, 0, Freshness.NEVER)
    assert {each.version.number: each.status.state.value for each in view.versions} == states
