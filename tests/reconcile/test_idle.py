"""Deployments at rest: nothing runs, all is kept, a request wakes them, and whatever else is done meanwhile."""

from __future__ import annotations

import pytest

from serai.domain.errors import Conflict
from tests.reconcile.world import World


@pytest.fixture
def resting(world: World) -> World:
    world.deploy(replicas=2)
    world.tick(3)
    world.lifecycle.idle("m", "ann")
    world.tick(4)
    return world


def test_idle_keeps_version_and_count_and_runs_nothing(resting: World) -> None:
    route = resting.route()
    assert resting.states() == {1: "running"} and resting.reason(1) == "idle" and not resting.live().get(1)
    assert (route.is_idle, route.version, route.endpoints) == (True, 1, ()) and route.hold_s > 0
    assert resting.events("deployment.idled") == 1 and resting.has_nothing_to_do()
    resting.lifecycle.wake("m", "ann")
    resting.tick(3)
    assert resting.live() == {1: 2} and not resting.route().is_idle
    assert resting.states() == {1: "running"} and resting.events("deployment.woken") == 1


def test_waking_twice_is_waking_once(resting: World) -> None:
    for text in ("by a request at gateway a", "by a request at gateway b"):
        resting.lifecycle.wake("m", "gateway", text)
    assert resting.events("deployment.woken") == 1


def test_requests_are_held_while_it_wakes(resting: World) -> None:
    resting.script(1, ready_after=3)
    resting.lifecycle.wake("m", "ann")
    resting.tick()
    assert resting.states() == {1: "preparing"} and resting.route().hold_s > 0


def test_deadlines_count_from_the_wake(world: World) -> None:
    world.deploy(queue_timeout="30s", start_timeout="30s")
    world.tick(3)
    world.lifecycle.idle("m", "ann")
    world.tick(4, seconds=3600)
    world.lifecycle.wake("m", "ann")
    world.tick(3)
    assert world.states() == {1: "running"} and world.live() == {1: 1}


def test_it_rests_over_a_restart_of_the_server(resting: World) -> None:
    again = resting.restarted()
    again.tick(2)
    assert again.route().is_idle and not again.live().get(1)


def test_a_start_that_fails_while_waking_is_an_error(resting: World) -> None:
    resting.script(1, ready_after=None)
    resting.lifecycle.wake("m", "ann")
    resting.tick(5, seconds=600)
    assert resting.states() == {1: "error"}
    assert (resting.route().hold_s, resting.route().version, resting.route().is_idle) == (0, None, False)


def test_another_count_wakes_and_the_same_does_not(resting: World) -> None:
    resting.lifecycle.change("m", {"count": 2, "timeouts": {"total": "9s"}}, "ann")
    resting.tick(2)
    assert resting.route().is_idle and not resting.live().get(1)
    resting.lifecycle.change("m", {"count": 3}, "ann")
    resting.tick(3)
    assert resting.live() == {1: 3} and not resting.route().is_idle


def test_the_same_manifest_lets_it_rest_and_a_new_version_wakes_it(resting: World) -> None:
    assert resting.deploy(replicas=2) == 1
    resting.tick(2)
    assert resting.route().is_idle
    assert resting.deploy(image="model:2", replicas=2) == 2
    resting.tick(4)
    assert resting.live() == {2: 2} and not resting.route().is_idle


def test_requests_are_held_while_a_new_version_starts(resting: World) -> None:
    resting.script(2, ready_after=4)
    resting.deploy(image="model:2", replicas=2)
    seen = []
    while resting.states() != {2: "running", 1: "stopped"}:
        resting.tick()
        route = resting.route()
        assert route.version == 2 and (route.endpoints or route.hold_s > 0) and not resting.live().get(1)
        seen.append(resting.states()[2])
    assert "preparing" in seen and resting.live() == {2: 2}
    assert resting.events("version.handed-over") == 1


def test_the_old_version_comes_back_where_the_new_one_fails(world: World) -> None:
    world.deploy(queue_timeout="30s")
    world.tick(3)
    world.lifecycle.idle("m", "ann")
    world.tick(4, seconds=3600)
    world.script(2, crashes=99)
    world.deploy(image="model:2", start_attempts=2)
    while world.states() != {1: "running", 2: "error"}:
        world.tick()
        assert world.route().endpoints or world.route().hold_s > 0
    assert world.live() == {1: 1} and world.events("version.returned") == 1


def test_start_wakes_and_stop_ends_it(resting: World) -> None:
    resting.lifecycle.start("m", 1, "ann")
    resting.tick(3)
    assert resting.live() == {1: 2}
    resting.lifecycle.idle("m", "ann")
    resting.lifecycle.stop("m", None, "ann")
    resting.tick(4)
    assert resting.states() == {1: "stopped"} and not resting.route().is_idle
    resting.lifecycle.wake("m", "ann")  # nothing to wake
    assert resting.states() == {1: "stopped"}


@pytest.mark.parametrize("case", ["stopped", "never ready", "scaled to zero", "handing over"])
def test_what_could_not_be_woken_is_not_made_idle(case: str, world: World) -> None:
    world.script(1, ready_after=None if case == "never ready" else 1)
    world.deploy()
    world.tick(3)
    if case == "stopped":
        world.lifecycle.stop("m", None, "ann")
    elif case == "scaled to zero":
        world.lifecycle.change("m", {"count": 0}, "ann")
    elif case == "handing over":
        world.script(2, ready_after=None)
        world.deploy(image="model:2")
    with pytest.raises(Conflict):
        world.lifecycle.idle("m", "ann")
