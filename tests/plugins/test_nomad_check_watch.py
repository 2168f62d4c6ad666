"""The thread that asks: what is told, what is saved, and that those who do not answer hold up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from serai.domain.errors import SchedulerUnavailable
from serai_nomad.facts import Json, Remembered
from serai_nomad.watch.check_board import CheckBoard
from serai_nomad.watch.check_turns import CHECKS, PROBES
from serai_nomad.watch.check_watch import CheckWatch
from tests.waiting import eventually

GOOD: Json = {"c": {"Status": "success", "Timestamp": 1}}
BAD: Json = {"c": {"Status": "failure", "Timestamp": 1}}


@pytest.fixture
def board() -> CheckBoard:
    return CheckBoard(60.0, lambda: datetime(2026, 1, 1, tzinfo=UTC))


class Room:
    """A watch at work: `told` are the workloads, `saved` what was saved."""

    def __init__(self, board: CheckBoard, ask: Callable[[str], Json | None]) -> None:
        self.told: list[str] = []
        self.saved: list[Mapping[str, Remembered]] = []
        self.pools = [ThreadPoolExecutor(2), ThreadPoolExecutor(2)]
        lanes = {lane: (pool, 2) for lane, pool in zip((PROBES, CHECKS), self.pools, strict=True)}
        self.watch = CheckWatch(board, ask, lanes, self.told.append, self.saved.append)


@contextmanager
def watching(board: CheckBoard, ask: Callable[[str], Json | None]) -> Iterator[Room]:
    room = Room(board, ask)
    room.watch.start()
    try:
        yield room
    finally:
        room.watch.close()
        for pool in room.pools:
            pool.shutdown()


def test_what_has_changed_is_told_once_and_what_was_ready_is_saved(board: CheckBoard) -> None:
    answers = {"a": BAD, "b": GOOD}
    board.watch("m-v1", {"a": 0})
    board.watch("n-v1", {"b": 0}, lane=PROBES)
    with watching(board, lambda id: answers[id]) as room:
        eventually(lambda: sorted(room.told) == ["m-v1", "n-v1"])
        answers["a"] = {"c": {"Status": "success", "Timestamp": 2}}
        eventually(lambda: sorted(room.told) == ["m-v1", "m-v1", "n-v1"])
        eventually(lambda: bool(room.saved) and set(room.saved[-1]) == {"a", "b"})
    assert board.answers(["a", "b"]) == answers


def test_those_who_do_not_answer_hold_up_neither_the_other_lane_nor_the_end(board: CheckBoard) -> None:
    answer = threading.Event()

    def ask(id: str) -> Json | None:
        if id.startswith("slow"):
            answer.wait(20)
        return GOOD

    board.watch("slow-v1", {f"slow{number}": 0 for number in range(9)})
    with watching(board, ask) as room:
        board.watch("m-v1", {"a": 0}, lane=PROBES)
        eventually(lambda: room.told == ["m-v1"], 2)
        answer.set()
        eventually(lambda: len(board.answers([f"slow{number}" for number in range(9)])) == 9, 5)


def test_that_nomad_cannot_be_asked_says_nothing_and_is_tried_again(board: CheckBoard) -> None:
    asked: list[str] = []

    def ask(id: str) -> Json | None:
        asked.append(id)
        if len(asked) < 3:
            raise SchedulerUnavailable("no agent answers")
        return GOOD

    board.watch("m-v1", {"a": 0})
    with watching(board, ask) as room:
        eventually(lambda: room.told == ["m-v1"], 5)


def test_an_answer_that_nobody_expected_is_logged_and_the_others_are_asked_on(
    board: CheckBoard, caplog: pytest.LogCaptureFixture
) -> None:
    def ask(id: str) -> Json | None:
        return GOOD if id == "b" else {"c": {"Timestamp": "yesterday"}}

    board.watch("m-v1", {"a": 0})
    board.watch("n-v1", {"b": 0})
    with watching(board, ask) as room:
        eventually(lambda: room.told == ["n-v1"], 5)
        eventually(lambda: "could not be judged" in caplog.text, 5)
