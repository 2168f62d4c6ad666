"""A scheduler that refuses to be observed: states and routes stay as they were, and the reason says why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from serai.domain.errors import SchedulerError
from serai.domain.observation import Observation
from serai.plugin.testing.fakes import FakeClock, FakeScheduler
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
