"""The fakes act as scripted; tests of others lean on that."""

from __future__ import annotations

import threading

import pytest

from serai.domain.errors import Invalid, SchedulerUnavailable
from serai.domain.observation import Observation, Phase, Verdict, Workload
from serai.domain.spec import Spec
from serai.plugin.sink import Sink
from serai.plugin.testing.fakes import Call, FakeClock, FakeScheduler, FakeSink, Script
from serai.plugin.testing.sinks import SinkContract, make_samples, make_window


def work(id: str = "a-v1", count: int = 1, digest: str = "one") -> Workload:
    return Workload(id, "a", 1, Spec(), digest, count)


def phases(scheduler: FakeScheduler, looks: int) -> list[list[tuple[Phase, int]]]:
    """Return the phase and crashes of each replica of a-v1 at each of so many looks."""
    seen = [scheduler.observe()["a-v1"] for _ in range(looks)]
    return [[(replica.phase, replica.crashes) for replica in one.replicas] for one in seen]


# script -> what five looks show
LIVES = [
    (Script(), [("ready", 0)] * 5),
    (Script(ready_after=2), [("loading", 0)] * 2 + [("ready", 0)] * 3),
    (Script(ready_after=None), [("loading", 0)] * 5),
    (
        Script(crashes=2),
        [("loading", 0), ("backing-off", 1), ("loading", 1), ("backing-off", 2), ("ready", 0)],
    ),
    (
        Script(crashes=9, gives_up_after=2),
        [("loading", 0), ("backing-off", 1), ("loading", 1), ("ended", 2), ("ended", 2)],
    ),
]


@pytest.mark.parametrize(("script", "looks"), LIVES, ids=lambda value: str(value)[:40])
def test_lives(script: Script, looks: list[tuple[str, int]]) -> None:
    scheduler = FakeScheduler(FakeClock(), script=script)
    scheduler.submit(work())
    assert phases(scheduler, 5) == [[(Phase(phase), crashes)] for phase, crashes in looks]


def test_giving_up_is_said_until_another_digest_comes() -> None:
    scheduler = FakeScheduler(FakeClock(), script=Script(crashes=9, gives_up_after=1, exit_code=3))
    scheduler.submit(work(count=2))
    scheduler.step()
    failed = scheduler.observe()["a-v1"].failed
    assert failed is not None and (failed.code, failed.exit_code) == ("crash-loop", 3)
    scheduler.submit(work(count=2))
    assert not any(replica.live for replica in scheduler.observe()["a-v1"].replicas)
    scheduler.submit(work(count=2, digest="two"))
    seen = scheduler.observe()["a-v1"]
    assert seen.failed is None and sum(replica.live for replica in seen.replicas) == 2


def test_stopping_takes_steps_and_holds_the_place() -> None:
    scheduler = FakeScheduler(FakeClock(), places=1, script=Script(stop_steps=2))
    scheduler.submit(work("a-v1"))
    scheduler.submit(work("b-v1"))
    scheduler.stop("a-v1")
    looks = [scheduler.observe() for _ in range(4)]
    assert [look["a-v1"].replicas[0].phase.value for look in looks] == ["stopping", "stopping", "ended", "ended"]
    assert [len(look["b-v1"].replicas) for look in looks] == [0, 0, 1, 1]
    waiting = looks[0]["b-v1"].waiting
    assert waiting is not None and waiting.code == "no-capacity"
    assert looks[2]["b-v1"].waiting is None


# places, running, asked, freeing -> verdict, placeable
FITS = [
    (None, 5, 3, [], Verdict.NOW, 3),
    (4, 2, 2, [], Verdict.NOW, 2),
    (4, 2, 3, [], Verdict.LATER, 2),
    (4, 4, 3, [], Verdict.LATER, 0),
    (4, 4, 3, ["a-v1"], Verdict.NOW, 3),
    (4, 4, 3, ["unknown-v1"], Verdict.LATER, 0),
    (4, 0, 5, [], Verdict.NEVER, 4),
    (4, 4, 0, [], Verdict.NOW, 0),
]


@pytest.mark.parametrize(("places", "running", "asked", "freeing", "verdict", "placeable"), FITS)
def test_fit_tells_what_submit_will_do(
    places: int | None, running: int, asked: int, freeing: list[str], verdict: Verdict, placeable: int
) -> None:
    scheduler = FakeScheduler(FakeClock(), places=places)
    scheduler.submit(work("a-v1", running))
    fit = scheduler.fit(work("b-v1", asked), freeing)
    assert (fit.verdict, fit.placeable) == (verdict, placeable)
    for id in freeing:
        scheduler.stop(id)
    scheduler.submit(work("b-v1", asked))
    assert len(scheduler.observe()["b-v1"].replicas) == placeable


def test_out_of_reach_nothing_answers_and_nothing_moves() -> None:
    scheduler = FakeScheduler(FakeClock(), script=Script(ready_after=1))
    scheduler.submit(work())
    scheduler.reachable = False
    for _ in range(3):
        with pytest.raises(SchedulerUnavailable):
            scheduler.observe()
    scheduler.reachable = True
    assert phases(scheduler, 2) == [[(Phase.LOADING, 0)], [(Phase.READY, 0)]]


def test_a_refusal_leaves_what_was() -> None:
    scheduler = FakeScheduler(FakeClock())
    scheduler.submit(work(count=1))
    scheduler.script("a-v1", Script(refusal=Invalid("no images here")))
    with pytest.raises(Invalid):
        scheduler.submit(work(count=3))
    assert scheduler.observe()["a-v1"].count == 1


def test_calls_are_kept_with_what_they_asked_for() -> None:
    scheduler = FakeScheduler(FakeClock())
    scheduler.submit(work(count=2))
    scheduler.observe()
    scheduler.stop("a-v1")
    assert list(scheduler.calls) == [Call("submit", "a-v1", "one", 2), Call("observe"), Call("stop", "a-v1")]


def test_a_crash_after_ready_counts_from_there() -> None:
    clock = FakeClock()
    scheduler = FakeScheduler(clock, script=Script(ready_after=1))
    scheduler.submit(work())
    scheduler.step()
    (replica,) = scheduler.observe()["a-v1"].replicas
    later = clock.advance(5)
    scheduler.crash("a-v1", replica.id, 137)
    (crashed,) = scheduler.observe()["a-v1"].replicas
    assert (crashed.id, crashed.crashes, crashed.since, crashed.live) == (replica.id, 1, later, True)
    assert crashed.reason is not None and crashed.reason.exit_code == 137


def test_what_is_lost_is_not_there() -> None:
    scheduler = FakeScheduler(FakeClock())
    scheduler.submit(work())
    scheduler.lose("a-v1")
    assert scheduler.observe() == {}


def test_ended_replicas_are_kept_up_to_a_number() -> None:
    scheduler = FakeScheduler(FakeClock())
    for _ in range(30):
        scheduler.submit(work(count=1))
        scheduler.submit(work(count=0))
        scheduler.observe()
    assert len(scheduler.observe()["a-v1"].replicas) <= 10


def test_an_unchanged_answer_is_the_same_object() -> None:
    scheduler = FakeScheduler(FakeClock())
    scheduler.submit(work(count=3))
    first: Observation = scheduler.observe()["a-v1"]
    assert scheduler.observe()["a-v1"] is first
    scheduler.submit(work(count=4))
    assert scheduler.observe()["a-v1"] is not first


def test_hints_name_what_changed_once() -> None:
    scheduler, seen = FakeScheduler(FakeClock()), []
    scheduler.submit(work("a-v1"))
    scheduler.submit(work("b-v1"))
    scheduler.submit(work("a-v1", 2))
    both = threading.Event()

    def follow() -> None:
        for hint in scheduler.hints():
            seen.append(hint)
            if len(seen) == 2:
                both.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert both.wait(5)
    scheduler.close()
    thread.join(5)
    assert not thread.is_alive() and seen == ["a-v1", "b-v1"]


class TestFakeSink(SinkContract):
    @pytest.fixture
    def sink(self) -> Sink:
        return FakeSink()


def test_a_failing_sink_keeps_nothing() -> None:
    sink = FakeSink()
    sink.failing = OSError("full")
    with pytest.raises(OSError, match="full"):
        sink.write_windows([make_window()])
    sink.failing = None
    sink.write_usage(make_samples())
    assert (sink.windows, len(sink.samples)) == ([], 2)
