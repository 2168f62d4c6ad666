"""What a server may conclude about requests in flight, above all one that has just started."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from serai.domain.routes import Route
from serai.reconcile.actions import Stop
from serai.reconcile.departures import Departures
from serai.reconcile.routes import RoutePublisher
from serai.store.gateways import list_gateways
from tests.domain.situations import make_situation
from tests.reconcile.world import World


@dataclass
class Restart:
    """A server that was killed while the replicas of version 1 were leaving, and the index that gateways had then."""

    world: World
    index: int
    replica: str


@pytest.fixture
def restart(tmp_path: Path) -> Iterator[Restart]:
    world = World(tmp_path)
    world.deploy(drain_timeout="60s")
    world.tick(3)
    replica = world.route().endpoints[0].replica
    world.follow("g1")
    world.lifecycle.stop("m", None, "ann")
    world.tick(2)
    assert world.live() == {1: 1}, "the gateway has not taken the new table"
    again = world.restarted()
    yield Restart(again, world.routes.table().index, replica)
    again.close()


# what the gateway says to the new server with each read: None is nothing; "old" the table of the one that was killed
# -> seconds until the replica is gone, of drain_timeout 60 s
@pytest.mark.parametrize(
    ("table", "is_busy", "seconds"),
    [(None, False, 36), ("old", False, 61), ("old", True, 61), ("new", True, 61), ("new", False, 3)],
)
def test_a_new_server_waits_for_every_gateway_it_should_know(
    restart: Restart, table: str | None, is_busy: bool, seconds: int
) -> None:
    world, gone_s = restart.world, 0
    while world.live():
        if table:
            index = restart.index if table == "old" else world.routes.table().index
            world.follow("g1", index, [restart.replica] if is_busy else [])
        world.tick()
        gone_s += 1
    assert seconds - 2 <= gone_s <= seconds + 2


def test_a_gateway_that_reads_no_more_is_forgotten(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.follow("gone")
    world.tick(30)
    world.follow("here")
    world.attendance.forget_silent()
    assert sorted(list_gateways(world.db)) == ["gone", "here"]
    world.tick(6)
    world.attendance.forget_silent()
    assert list_gateways(world.db) == ["here"]
    world.follow("gone")
    assert sorted(list_gateways(world.db)) == ["gone", "here"], "it has come back"
    world.close()


def test_a_read_that_was_held_for_long_counts_from_its_answer(tmp_path: Path) -> None:
    """Killed in the moment of the answer, a gateway has as long to come back as one that was killed as it asked."""
    world = World(tmp_path)
    world.deploy(drain_timeout="60s")
    world.tick(3)
    world.follow("g1")
    world.tick(30)
    world.drains.note_answered("g1")
    world.drains.note_answered("of nobody that follows")
    world.lifecycle.stop("m", None, "ann")
    world.tick(33)
    assert world.live() == {1: 1}
    world.tick(5)
    assert not world.live()
    world.close()


def test_a_gateway_that_cannot_be_remembered_now_is_at_its_next_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    hindrance = sqlite3.connect(world.folder / "serai.db")
    hindrance.execute("ALTER TABLE gateway RENAME TO away")
    world.follow("g1")
    assert "g1 follows, but cannot be remembered" in caplog.text
    hindrance.execute("ALTER TABLE away RENAME TO gateway")
    hindrance.close()
    world.follow("g1")
    assert list_gateways(world.db) == ["g1"]
    world.close()


@pytest.mark.parametrize(("index", "is_ours"), [(0, False), (999, False), (1000, True), (1001, True), (1002, False)])
def test_an_index_of_another_process_says_nothing(index: int, is_ours: bool) -> None:
    """One above ours comes from before the clock was set back."""
    routes = RoutePublisher(1000, lambda table: None)
    routes.publish({"m": Route("m", "ann", 1)}, complete=True)
    assert routes.has_given(index) is is_ours


def test_whatever_may_have_requests_in_flight_is_drained(world: World) -> None:
    """r: ready; c: the checks of one that was ready fail, as it is busy; l: loading; b: its process has ended."""
    departures = Departures(world.scheduler, world.drains)
    situation = make_situation(1, replicas={1: "rclb-"})
    assert departures.stopped_by(situation, 1, Stop("m-v1")) == ("m-v1-0", "m-v1-1")
