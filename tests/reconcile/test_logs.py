"""Collecting logs: turns are bookkeeping on a table; numbered lines of many replicas lose and double nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serai.domain.errors import NotFound, SchedulerUnavailable, SeraiError
from serai.domain.log_filter import ALL_LINES
from serai.domain.observation import LogLine, Stream, Workload
from serai.domain.spec import Spec
from serai.plugin.log_store import LogKey
from serai.plugin.testing.fakes import FakeScheduler
from serai.reconcile.log_intake import LogIntake, cut_batches
from serai.reconcile.log_turns import FAILURE_PAUSE_S, FIRST_PAUSE_S, LONGEST_PAUSE_S, Turns
from serai.store.log_files import FileLogStore, LogLimits

A, B = LogKey("m-v1", "a"), LogKey("m-v1", "b")


class Stage:
    """A scheduler with replicas that write, and the intake of a server that may die."""

    def __init__(self, root: Path, replicas: int) -> None:
        self.root = root
        self.scheduler = FakeScheduler()
        self.scheduler.submit(Workload("m-v1", "m", 1, Spec(image="model:1"), "d", replicas))
        self.keys = [LogKey("m-v1", one.id) for one in self.scheduler.observe(["m-v1"])["m-v1"].replicas]
        self.is_ours = True
        self.restart()

    def restart(self) -> None:
        self.store = FileLogStore(self.root, LogLimits(), segment_bytes=2_000)
        self.intake = LogIntake(self.scheduler, self.store, lambda _: self.is_ours)

    def say(self, text: str) -> None:
        for key in self.keys:
            self.scheduler.say(key.workload, key.replica, text)

    def texts(self, key: LogKey) -> list[str]:
        return [line.text for line in self.store.read(key, ALL_LINES) if line.text.startswith("line")]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "logs", 1)


def test_200_replicas_by_many_hands_and_over_restarts(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "logs", 200)
    assert len(stage.keys) == 200
    for begin in range(0, 40, 10):
        for number in range(begin, begin + 10):
            stage.say(f"line {number}")
        threads = [threading.Thread(target=freshen_all, args=(stage, place)) for place in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stage.restart()
    for key in stage.keys:
        assert stage.texts(key) == [f"line {number}" for number in range(40)]


def freshen_all(stage: Stage, place: int) -> None:
    for key in stage.keys[place:] + stage.keys[:place]:
        stage.intake.freshen(key)


def test_what_is_asked_for_later_is_there_even_if_somebody_is_collecting(stage: Stage) -> None:
    [key] = stage.keys
    for number in range(50):
        stage.say(f"line {number}")
        stage.intake.freshen(key)
        assert stage.texts(key)[-1] == f"line {number}"


def test_who_has_said_all_is_not_asked_again_for_readers(stage: Stage) -> None:
    [key] = stage.keys
    stage.say("line 0")
    stage.intake.collect(key)
    stage.intake.leave(key)
    asked = len(stage.scheduler.calls)
    stage.intake.freshen(key)
    assert len(stage.scheduler.calls) == asked
    stage.say("line 1")  # it lives again
    stage.intake.collect(key)
    stage.say("line 2")
    stage.intake.freshen(key)
    assert stage.texts(key) == ["line 0", "line 1", "line 2"]


def test_a_full_disk_pauses_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    [key] = stage.keys
    stage.say("line 0")
    stage.intake.collect(key)
    stage.say("line 1")
    with monkeypatch.context() as patched:
        patched.setattr("os.write", refuse)
        for _ in range(3):
            with pytest.raises(SeraiError) as failed:
                stage.intake.collect(key)
            assert failed.value.code == "disk-full"
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert stage.texts(key) == ["line 0"]
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 60)
    assert stage.intake.collect(key) == 1
    assert stage.texts(key) == ["line 0", "line 1"]


def refuse(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_what_is_not_ours_leaves_nothing(stage: Stage) -> None:
    [key] = stage.keys
    stage.say("line 0")
    stage.is_ours = False
    assert stage.intake.collect(key) == 0
    stage.intake.forget("m-v1")
    assert list(stage.root.glob("*/*")) == []


def test_who_is_not_there_is_told(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.intake.collect(LogKey("m-v1", "nobody"))
    stage.scheduler.reachable = False
    with pytest.raises(SchedulerUnavailable):
        stage.intake.collect(stage.keys[0])


@pytest.mark.parametrize(("lines", "width", "sizes"), [(0, 1, []), (3, 1, [3]), (5000, 1, [2000, 2000, 1000]),
                                                       (3, 200_000, [2, 1])])  # fmt: skip
def test_batches_are_small_enough_to_hold(lines: int, width: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in cut_batches(make_lines(lines, width))] == sizes


def make_lines(count: int, width: int) -> Iterator[LogLine]:
    for number in range(count):
        yield LogLine(datetime(2026, 1, 1, tzinfo=UTC), "a", Stream.STDOUT, "x" * width, str(number))


def test_turns_come_sooner_where_lines_come() -> None:
    turns = Turns()
    assert turns.take(0) is None and turns.wait_s(0) == float("inf")
    turns.update([A], [], 0)
    now, pauses = 0.0, []
    for count in (5, 0, 0, 0, 0, 0, 0, 0, 0, 1):
        assert turns.take(now) == A and turns.take(now) is None  # nobody has two turns at once
        assert not turns.note_read(A, count, now)
        pauses.append(turns.wait_s(now))
        now += pauses[-1]
    assert pauses[0] == pauses[-1] == FIRST_PAUSE_S and pauses[-2] == LONGEST_PAUSE_S
    assert pauses[:-1] == sorted(pauses[:-1])


def count_looks(turns: Turns, begin_s: float, end_s: float, writes: Collection[LogKey] = ()) -> Counter[LogKey]:
    """Let turns be taken at once, and tell whose they were in a span of seconds."""
    now, looks = begin_s, Counter[LogKey]()
    while now < end_s:
        if key := turns.take(now):
            looks[key] += 1
            turns.note_read(key, int(key in writes), now)
        else:
            now += turns.wait_s(now)
    return looks


def test_a_crowd_that_says_nothing_is_looked_at_seldom() -> None:
    """A server that has just started finds 3,000 replicas, of which two write."""
    crowd = [LogKey("m-v1", f"{number:04}") for number in range(3000)]
    writing = crowd[2], crowd[2002]
    turns = Turns()
    turns.update(crowd, [], 0)
    begins = count_looks(turns, 0, 150, writing)
    assert begins.keys() == set(crowd), "everybody had a turn"
    assert sum(begins.values()) - sum(begins[key] for key in writing) < 2 * 3000
    count_looks(turns, 150, 600, writing)
    later = count_looks(turns, 600, 750, writing)
    assert sum(later.values()) - sum(later[key] for key in writing) < 1.1 * 3000
    assert later[writing[0]] >= 299
    paused = count_looks(turns, 750, 800)
    assert paused[writing[0]] > 10, "who wrote a moment ago is not left alone for long"


def test_one_that_fails_does_not_hold_up_the_others() -> None:
    turns = Turns()
    turns.update([A, B], [], 0)
    now = 0.0
    for _ in range(20):
        while (key := turns.take(now)) is None:
            now += turns.wait_s(now)
        if key == A:
            turns.note_failure(A, now)
        else:
            turns.note_read(B, 1, now)
    assert turns.take(now) is None and turns.wait_s(now) <= FIRST_PAUSE_S < FAILURE_PAUSE_S


@pytest.mark.parametrize("is_shown", [True, False])
def test_an_ended_replica_is_read_to_its_end(is_shown: bool) -> None:
    turns = Turns()
    turns.update([A], [], 0)
    assert turns.take(0) == A
    turns.update([], [A] if is_shown else [], 1)
    assert not turns.note_read(A, 0, 1)  # it ended while it was read
    outcomes = []
    for now, count in ((10, 3), (20, 0), (30, 0)):
        assert turns.take(now) == A
        outcomes.append(turns.note_read(A, count, now))
    assert outcomes == [False, False, True]
    turns.update([], [A] if is_shown else [], 40)
    assert turns.take(100) is None
    turns.update([A], [], 101)  # started again under its name
    assert turns.take(101) == A


def test_a_log_that_is_missing_may_still_come_while_its_replica_lives() -> None:
    turns = Turns()
    turns.update([A], [B], 0)
    assert {turns.take(0), turns.take(0)} == {A, B}
    assert not turns.note_missing(A, 0) and turns.note_missing(B, 0)
    turns.update([A], [B], 1)
    assert turns.take(1) == A and turns.take(1) is None
