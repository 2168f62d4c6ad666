"""What somebody else does to a workload is told once and set right; what Serai itself does is not told as such."""

from __future__ import annotations

import pytest

from serai.domain.manifest import parse_manifest
from serai.domain.observation import Observation, Workload
from serai.reconcile.foreign import Change, Deed, Expectations, Expected, describe_change, find_deed
from serai.store.events import list_events
from tests.reconcile.world import World

TOLD = Expected("d1", 2, is_seen=True)
ON_ITS_WAY = Expected("d1", 2)
STOPPED = Expected("", 0, is_seen=True)

DEEDS = [
    (TOLD, Observation("d1", 2), None),
    (TOLD, Observation("d1", 5), Deed.SCALED),
    (TOLD, Observation("d1", 1), Deed.SCALED),
    (TOLD, Observation("d1", 0), Deed.STOPPED),
    (TOLD, None, Deed.REMOVED),
    (TOLD, Observation("d2", 2), Deed.REPLACED),
    (TOLD, Observation("d2", 5), Deed.REPLACED),
    (ON_ITS_WAY, Observation("d1", 2), None),
    (ON_ITS_WAY, Observation("d1", 5), None),
    (ON_ITS_WAY, Observation("d0", 2), None),
    (ON_ITS_WAY, None, None),
    (STOPPED, None, None),
    (STOPPED, Observation("d1", 0), None),
    (STOPPED, Observation("d1", 3), Deed.STARTED),
    (Expected("", 0), Observation("d1", 3), None),
]


@pytest.mark.parametrize(("expected", "seen", "deed"), DEEDS)
def test_deeds(expected: Expected, seen: Observation | None, deed: Deed | None) -> None:
    assert find_deed(expected, seen) is deed


PHRASES = [
    (Change("m-v1", Deed.SCALED, 2, 5), 2, "was scaled from 2 to 5 by somebody else; it is set back to 2"),
    (Change("m-v1", Deed.SCALED, 2, 5), 5, "was scaled from 2 to 5 by somebody else, which is what is wanted now"),
    (Change("m-v1", Deed.SCALED, 2, 5), 0, "was scaled from 2 to 5 by somebody else; it is stopped"),
    (Change("m-v1", Deed.STOPPED, 2, 0), 2, "was stopped by somebody else; it is started again"),
    (Change("m-v1", Deed.STOPPED, 2, 0), 0, "was stopped by somebody else"),
    (Change("m-v1", Deed.REMOVED, 2, 0), 2, "was removed by somebody else; it is started again"),
    (Change("m-v1", Deed.REPLACED, 2, 2), 2, "was made to run something else by somebody else; it is set right"),
    (Change("m-v1", Deed.STARTED, 0, 3), 0, "was started (3) by somebody else; it is stopped"),
]


@pytest.mark.parametrize(("change", "wanted", "phrase"), PHRASES)
def test_phrases(change: Change, wanted: int, phrase: str) -> None:
    assert describe_change(change, wanted) == phrase


def test_only_what_was_looked_at_is_judged_and_each_change_once() -> None:
    expectations = Expectations()
    first = {"m-v1": Observation("d1", 2), "n-v1": Observation("d9", 1)}
    assert expectations.compare(first, None) == [], "the first look is where knowing begins"
    assert expectations.compare({}, frozenset()) == []
    changed = {"m-v1": Observation("d1", 5)}
    assert expectations.compare(changed, frozenset({"m-v1"})) == [Change("m-v1", Deed.SCALED, 2, 5)]
    assert expectations.compare(changed, frozenset({"m-v1"})) == []
    assert expectations.compare(changed, None) == [Change("n-v1", Deed.REMOVED, 1, 0)]
    assert expectations.compare(changed, None) == []


def test_an_order_that_takes_long_is_nobodys_deed() -> None:
    expectations = Expectations()
    two, three = {"m-v1": Observation("d1", 2)}, {"m-v1": Observation("d1", 3)}
    expectations.compare(two, None)
    expectations.note_order("m-v1", "d1", 3)
    for observed in (two, two, three, three):
        assert expectations.compare(observed, None) == []
    assert expectations.compare(two, None) == [Change("m-v1", Deed.SCALED, 3, 2)]
    expectations.note_order("m-v1", "", 0)
    for observed in (two, {"m-v1": Observation("d1", 0)}, {}, {}):
        assert expectations.compare(observed, None) == []
    assert expectations._expected == {}, "what is over is forgotten"


# through the reconciler, on a scheduler


def foreign(world: World, name: str = "m") -> list[str]:
    """Return what the timeline tells of somebody else, oldest first."""
    found = [e for e in list_events(world.db, name, limit=10_000) if e.kind == "workload.changed"]
    assert all((e.actor, e.version) == ("", 1) for e in found)
    return [event.text for event in reversed(found)]


def meddle(world: World, count: int, digest: str = "") -> None:
    """Submit m-v1 behind Serai's back."""
    (version,) = (v for v in world.cluster.view("m").versions if v.version.number == 1)
    spec = parse_manifest({"name": "m", "image": "model:1"}).spec
    world.scheduler.submit(Workload("m-v1", "m", 1, spec, digest or version.version.run_digest, count))


@pytest.fixture
def running(world: World) -> World:
    world.deploy(replicas=2)
    world.tick(4)
    assert world.live() == {1: 2}
    assert foreign(world) == []
    return world


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (5, "was scaled from 2 to 5 by somebody else; it is set back to 2"),
        (1, "was scaled from 2 to 1 by somebody else; it is set back to 2"),
    ],
)
def test_another_count_is_told_once_and_set_back(running: World, count: int, text: str) -> None:
    meddle(running, count)
    running.tick(10)
    assert foreign(running) == [text]
    assert running.live() == {1: 2}
    assert running.has_nothing_to_do()


def test_a_stop_and_a_removal_are_told_and_set_right(running: World) -> None:
    running.scheduler.stop("m-v1")
    running.tick(10)
    assert foreign(running) == ["was stopped by somebody else; it is started again"]
    assert running.live() == {1: 2}
    running.scheduler.lose("m-v1")
    running.tick(10)
    assert foreign(running)[1:] == ["was removed by somebody else; it is started again"]
    assert running.live() == {1: 2}
    assert running.states() == {1: "running"}


def test_something_else_in_its_place_is_told_and_replaced(running: World) -> None:
    meddle(running, 2, "theirs")
    running.tick(10)
    assert foreign(running) == ["was made to run something else by somebody else; it is set right"]
    assert running.live() == {1: 2}
    assert running.states() == {1: "running"}


def test_a_start_of_what_was_stopped_is_told_and_stopped(running: World) -> None:
    running.lifecycle.stop("m", None, "ann")
    running.tick(10)
    meddle(running, 3)
    running.tick(10)
    assert foreign(running) == ["was started (3) by somebody else; it is stopped"]
    assert running.states() == {1: "stopped"}


def test_what_serai_does_itself_is_not_told_as_somebody_elses(world: World) -> None:
    world.deploy(replicas=2)
    world.tick(4)
    for count in (5, 1, 0, 3):
        world.lifecycle.change("m", {"count": count}, "ann")
        world.tick(6)
    for mode in ("overlap", "rolling", "replace"):
        world.deploy(image=f"model:{mode}", handover=mode)
        world.tick(15)
    world.scheduler.crash("m-v4", world.scheduler.observe(None)["m-v4"].replicas[0].id)
    world.tick(5)
    world.lifecycle.stop("m", None, "ann")
    world.tick(6)
    world.lifecycle.start("m", 1, "ann")
    world.tick(6)
    world.lifecycle.stop("m", None, "ann")
    world.tick(6)
    world.lifecycle.delete("m", "ann")
    world.tick(3)
    assert world.events("workload.changed") == 0


def test_an_outage_tells_nothing_and_what_happened_meanwhile_is_told_after_it(running: World) -> None:
    running.scheduler.reachable = False
    running.tick(5)
    running.scheduler.reachable = True
    running.tick(2)
    assert foreign(running) == []
    running.scheduler.reachable = False
    running.tick(2)
    running.scheduler.reachable = True
    meddle(running, 5)
    running.tick(8)
    assert foreign(running) == ["was scaled from 2 to 5 by somebody else; it is set back to 2"]


def test_a_restarted_server_tells_nothing_of_before_and_all_of_after(running: World) -> None:
    meddle(running, 5)
    world = running.restarted()
    world.tick(8)
    assert foreign(world) == []
    assert world.live() == {1: 2}
    meddle(world, 1)
    world.tick(6)
    assert foreign(world) == ["was scaled from 2 to 1 by somebody else; it is set back to 2"]
    world.close()


def test_an_autoscaler_that_works_against_us_does_not_fill_the_timeline(running: World) -> None:
    for _ in range(30):
        meddle(running, 5)
        running.tick(10)
        assert running.live() == {1: 2}, "corrections do not slow down"
    texts = foreign(running)
    assert len(texts) == 3
    assert texts[2].endswith("set back to 2; as it happens often, the next ones are counted only")
    running.tick(1, 700)
    meddle(running, 5)
    running.tick(10)
    assert foreign(running)[3:] == [
        "was scaled from 2 to 5 by somebody else; it is set back to 2 (27 more such changes before this one)"
    ]


def test_plugins_hear_of_it(running: World) -> None:
    heard = []
    running.reconciler._news._tell = heard.append
    meddle(running, 5)
    running.tick()
    assert [change.event.kind for change in heard] == ["workload.changed"]
