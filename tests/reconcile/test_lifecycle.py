"""The life of versions, told as users see it (promises A1-A5, B1, B3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from serai.domain.errors import Conflict, Invalid, NotFound, NotSupported
from serai.domain.manifest import parse_manifest
from serai.domain.observation import Workload
from tests.reconcile.world import World


def test_a_first_version_prepares_and_runs(world: World) -> None:
    world.script(1, ready_after=3)
    assert world.deploy() == 1
    world.tick()
    assert world.states() == {1: "preparing"}
    world.tick(4)
    assert world.states() == {1: "running"}
    assert [endpoint.version for endpoint in world.route().endpoints] == [1]


def test_the_same_thing_twice_makes_no_new_version(world: World) -> None:
    assert world.deploy() == world.deploy(replicas=2) == 1
    world.tick(3)
    assert world.live() == {1: 2}
    assert world.deploy(image="model:2") == 2


def test_a_stopped_version_deployed_again_is_started_again(world: World) -> None:
    world.deploy()
    world.tick(3)
    world.lifecycle.stop("m", None, "ann")
    world.tick(4)
    assert world.states() == {1: "stopped"}
    assert world.deploy() == 1
    world.tick(3)
    assert world.states() == {1: "running"}


def test_overlap_keeps_the_old_version_serving_until_the_new_one_is_ready(world: World) -> None:
    world.deploy(replicas=2)
    world.tick(3)
    world.script(2, ready_after=4)
    world.deploy(image="model:2")
    seen = []
    for _ in range(12):
        world.tick()
        seen.append((world.route().version, len(world.route().endpoints)))
        assert any(e.version == world.route().version for e in world.route().endpoints), "a moment without service"
    assert [version for version, _ in seen] == sorted(version or 0 for version, _ in seen)
    assert world.states() == {2: "running", 1: "stopped"}
    assert world.live() == {2: 2}


def test_without_room_for_both_the_old_one_stops_first_and_callers_are_held(tmp_path: Path) -> None:
    world = World(tmp_path, places=2)
    world.deploy(replicas=2)
    world.tick(3)
    world.deploy(image="model:2")
    world.tick()
    assert world.states()[2] == "preparing"
    assert world.reason(2) == "waiting-for-old"
    assert world.route().hold_s > 0
    world.tick(8)
    assert world.states() == {2: "running", 1: "stopped"}
    assert world.live() == {2: 2}
    world.close()


def test_with_room_for_one_more_replicas_are_handed_over_one_by_one(tmp_path: Path) -> None:
    world = World(tmp_path, places=3)
    world.deploy(replicas=2)
    world.tick(3)
    world.deploy(image="model:2")
    for _ in range(12):
        world.tick()
        route = world.route()
        assert [e for e in route.endpoints if e.version == route.version], "a moment without service"
        assert sum(world.live().values()) <= 3
    assert world.live() == {2: 2}
    world.close()


@pytest.mark.parametrize("handover", ["overlap", "rolling", "replace"])
def test_a_version_that_never_gets_ready_leaves_the_old_one_serving(world: World, handover: str) -> None:
    world.deploy(handover=handover)
    world.tick(3)
    world.script(2, crashes=99, exit_code=3)
    world.deploy(image="model:2", start_attempts=2)
    world.tick(15)
    assert world.states() == {2: "error", 1: "running"}
    assert world.reason(2) == "crash-loop"
    assert world.live() == {1: 1}
    assert world.route().version == 1
    assert world.events("version.failed") == 1
    assert world.events("version.returned") == 1


@pytest.mark.parametrize("restarts", [False, True])
def test_callers_are_held_while_a_replica_that_was_ready_comes_back(world: World, restarts: bool) -> None:
    world.deploy()
    world.tick(3)
    (replica,) = world.scheduler.observe(None)["m-v1"].replicas
    world.script(1, ready_after=4)
    world.scheduler.crash("m-v1", replica.id)
    if restarts:
        world = world.restarted()
    world.tick(2)
    assert (world.route().endpoints, world.route().hold_s > 0) == ((), True)
    world.close()


def test_callers_are_held_while_the_old_version_comes_back_from_a_failed_replace(world: World) -> None:
    world.deploy(handover="replace")
    world.tick(3)
    world.script(1, ready_after=4)
    world.script(2, crashes=99)
    world.deploy(image="model:2", start_attempts=2)
    held = 0
    while world.states() != {1: "running", 2: "error"}:
        world.tick()
        held += not world.route().endpoints
        assert world.route().endpoints or world.route().hold_s > 0
    assert held > 4


def test_a_third_version_does_not_take_the_serving_one_s_place_by_being_impatient(world: World) -> None:
    world.deploy()
    world.tick(3)
    world.script(2, ready_after=99)
    world.deploy(image="model:2")
    world.tick(2)
    world.script(3, ready_after=3)
    world.deploy(image="model:3")
    world.tick()
    assert world.route().version == 1
    world.tick(10)
    assert world.states() == {3: "running", 2: "stopped", 1: "stopped"}
    assert world.live() == {3: 1}


def test_the_count_changes_in_every_state_and_kept_replicas_stay(world: World) -> None:
    world.script(1, ready_after=4)
    world.deploy()
    world.tick()
    world.lifecycle.change("m", {"count": 3}, "ann")  # Preparing
    world.tick(6)
    before = {e.replica for e in world.route().endpoints}
    assert len(before) == 3
    world.lifecycle.change("m", {"count": 5}, "ann")  # Running
    world.tick(6)
    assert before < {e.replica for e in world.route().endpoints}
    world.lifecycle.change("m", {"count": 1}, "ann")
    world.tick(6)
    assert {e.replica for e in world.route().endpoints} < before
    world.lifecycle.change("m", {"count": 0}, "ann")
    world.tick(6)
    assert (world.states()[1], world.reason(1), world.live()) == ("running", "idle", {})
    world.lifecycle.stop("m", None, "ann")
    world.tick(2)
    world.lifecycle.change("m", {"count": 2}, "ann")  # Stopped
    world.tick(2)
    assert world.states() == {1: "stopped"}
    world.lifecycle.start("m", 1, "ann")
    world.tick(6)
    assert world.live() == {1: 2}


def test_only_what_is_inactive_can_be_deleted(world: World) -> None:
    world.deploy()
    world.tick(3)
    with pytest.raises(Conflict, match="version 1 is running"):
        world.lifecycle.delete_version("m", 1, "ann")
    with pytest.raises(Conflict, match="version 1 is running"):
        world.lifecycle.delete("m", "ann")
    world.lifecycle.stop("m", None, "ann")
    world.tick()
    with pytest.raises(Conflict, match="shutting down"):
        world.lifecycle.delete("m", "ann")
    world.tick(5)
    world.lifecycle.delete("m", "ann")
    world.tick()
    with pytest.raises(NotFound):
        world.cluster.view("m")
    assert world.routes.route("m") is None
    assert not world.scheduler.observe(None)


def test_numbers_are_not_used_again(world: World) -> None:
    world.deploy()
    world.deploy(image="model:2")
    world.tick(8)
    world.lifecycle.delete_version("m", 1, "ann")
    assert world.deploy(image="model:1") == 3


def test_a_restarted_server_finds_everything_as_it_was(world: World) -> None:
    world.deploy(replicas=2)
    world.tick(3)
    before = world.route()
    again = world.restarted()
    assert again.routes.wait(0, 0).routes == {}, "a table before the first look would be a guess"
    again.cluster.refresh_all()
    assert again.states() == {1: "running"}
    assert again.reason(1) == "not-observed"
    again.tick()
    assert again.route() == before
    assert again.has_nothing_to_do()
    again.close()


def test_a_handover_survives_the_server_at_any_tick(tmp_path: Path) -> None:
    for ticks in range(9):
        folder = tmp_path / str(ticks)
        folder.mkdir()
        world = World(folder)
        world.deploy()
        world.tick(3)
        world.script(2, ready_after=3)
        world.deploy(image="model:2")
        world.tick(ticks)
        world = world.restarted()
        world.tick(15)
        assert world.states() == {2: "running", 1: "stopped"}
        assert world.live() == {2: 1}
        world.close()


def test_an_unreachable_scheduler_changes_nothing_but_says_so(world: World) -> None:
    world.deploy()
    world.tick(3)
    route = world.route()
    world.scheduler.reachable = False
    calls = len(world.scheduler.calls)
    world.lifecycle.stop("m", None, "ann")
    world.tick(5)
    assert {call.verb for call in list(world.scheduler.calls)[calls:]} == {"observe"}
    assert world.route() == route
    assert world.cluster.view("m").versions[0].stale
    world.scheduler.reachable = True
    world.tick(6)
    assert world.states() == {1: "stopped"}


def test_what_is_ours_and_in_no_database_is_stopped_and_forgotten(world: World) -> None:
    world.deploy()
    world.tick(2)
    spec = parse_manifest({"name": "gone", "image": "model:1"}).spec
    world.scheduler.submit(Workload("gone-v7", "gone", 7, spec, "a digest", 2))
    world.tick(6)
    assert set(world.scheduler.observe(None)) == {"m-v1"}


def test_a_refusal_of_the_scheduler_is_the_version_s_reason(world: World) -> None:
    world.script(1, refusal=NotSupported("images are not for me"))
    world.deploy()
    world.tick(3)
    assert world.states() == {1: "error"}
    assert world.reason(1) == "not-supported"


def test_replicas_with_requests_in_flight_are_not_stopped_until_these_are_done(world: World) -> None:
    world.deploy()
    world.tick(3)
    replica = world.route().endpoints[0].replica
    world.drains.note_follower("g1", world.routes.table().index, [])
    world.lifecycle.stop("m", None, "ann")
    world.tick()
    assert world.route().endpoints == ()
    for _ in range(3):
        world.drains.note_follower("g1", world.routes.table().index, [replica])
        world.tick()
        assert world.live() == {1: 1}
        assert world.states() == {1: "shutting_down"}
    world.drains.note_follower("g1", world.routes.table().index, [])
    world.tick(3)
    assert world.states() == {1: "stopped"}


def test_a_gateway_that_never_finishes_delays_a_stop_by_the_drain_time_at_most(world: World) -> None:
    world.deploy()
    world.tick(3)
    replica = world.route().endpoints[0].replica
    world.lifecycle.stop("m", None, "ann")
    for _ in range(8):  # drain_timeout is 5 s
        world.drains.note_follower("g1", 0, [replica])
        world.tick()
    world.tick(2)
    assert world.states() == {1: "stopped"}


@pytest.mark.parametrize("seconds", [86400, -86400])
def test_a_clock_that_jumps_fails_nothing_and_forgives_nothing(world: World, seconds: float) -> None:
    world.script(1, ready_after=10**6)
    world.deploy(start_timeout="30s")
    world.tick(15)
    world.jump(seconds)
    world.tick(5)
    assert world.states() == {1: "preparing"}
    world.tick(15)
    assert world.states() == {1: "error"}


def test_nothing_to_run_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="nothing to run"):
        world.lifecycle.deploy(parse_manifest({"name": "m"}), "ann")
    with pytest.raises(NotFound):
        world.lifecycle.deploy(parse_manifest({"name": "m", "bundle": "sha256:" + "0" * 64}), "ann")
    with pytest.raises(Invalid, match="serai deploy"):
        world.deploy(secrets={"A": "{{ ask }}"})
    with pytest.raises(NotSupported, match="plugin that grants keys"):
        world.deploy(access="keys")
