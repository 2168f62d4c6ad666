"""The board of checks: what counts of the answers, whom to ask next, within which budget."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from serai_nomad.facts import Json, Remembered
from serai_nomad.watch.check_board import STRIKES, CheckBoard, has_passed
from serai_nomad.watch.check_turns import CHECKS, EAGER_S, PROBES
from serai_nomad.watch.memory_file import MemoryFile

CALM_S = 5.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def check(status: str, stamp: float) -> Json:
    return {"c1": {"Status": status, "Output": f"nomad: {status}", "Timestamp": stamp}}


@pytest.fixture
def board() -> CheckBoard:
    board = CheckBoard(CALM_S, lambda: NOW)
    board.watch("m-v1", {"a": 0, "b": 0})
    return board


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        (None, False),
        ({}, False),
        (check("pending", 1), False),
        (check("failure", 1), False),
        (check("success", 1), True),
        (check("success", 1) | {"c2": {"Status": "failure"}}, False),
    ],
)
def test_has_passed(answer: Json | None, passed: bool) -> None:
    assert has_passed(answer) is passed


def test_an_answer_is_told_once_and_only_what_changes(board: CheckBoard) -> None:
    assert board.take("a", check("pending", 1), 0.0) == "m-v1", "the first answer is news"
    assert board.take("a", check("pending", 1), 0.2) is None, "the same run of the check"
    assert board.take("a", check("success", 2), 0.4) == "m-v1"
    revision = board.revision("m-v1")
    assert board.take("a", check("success", 3), 0.6) is None, "that it was checked again is no news"
    good = {"c1": check("success", 4)["c1"] | {"Output": "nomad: up for 4 s", "StatusCode": 200}}
    assert board.take("a", good, 0.7) is None, "nor is what a good answer says"
    assert board.answers(["a"])["a"] == good and board.revision("m-v1") == revision
    assert board.take("b", check("failure", 1), 0.8) == "m-v1"
    assert board.take("b", check("failure", 2), 0.9) is None, "it fails as before"
    assert board.take("b", {"c1": check("failure", 3)["c1"] | {"Output": "other"}}, 0.9) == "m-v1"
    assert board.revision("m-v1") == revision + 2
    assert board.take("nobody", check("success", 1), 0.8) is None


def test_a_ready_replica_is_lost_only_after_strikes_in_a_row(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    for strike in range(1, STRIKES):
        board.take("a", check("failure", 1 + strike), float(strike))
        assert has_passed(board.answers(["a"])["a"]), f"strike {strike} does not count yet"
    board.take("a", check("failure", 99), 9.0)
    assert not has_passed(board.answers(["a"])["a"])


def test_the_same_failure_read_again_is_no_second_strike(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    for at in range(10):
        board.take("a", check("failure", 2), float(at))
    assert has_passed(board.answers(["a"])["a"])


def test_a_success_forgives(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    for stamp in range(2, 20, 3):
        board.take("a", check("failure", stamp), 0.0)
        board.take("a", check("failure", stamp + 1), 0.0)
        board.take("a", check("success", stamp + 2), 0.0)
        assert has_passed(board.answers(["a"])["a"])


def test_a_client_that_does_not_answer_counts_like_a_failed_check(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    for at in range(STRIKES):
        assert has_passed(board.answers(["a"])["a"])
        board.take("a", None, float(at))
    assert board.answers(["a"]) == {"a": None}


def test_silence_says_nothing_of_a_ready_replica_and_why_another_one_is_not(board: CheckBoard) -> None:
    silent = {"serai": {"Status": "failure", "Output": "i/o timeout", "Silent": True}}
    board.take("a", check("success", 1), 0.0)
    for stamp in range(2, 9):
        board.take("a", {"serai": silent["serai"] | {"Timestamp": stamp}}, float(stamp))
    assert has_passed(board.answers(["a"])["a"])
    assert board.take("b", {"serai": silent["serai"] | {"Timestamp": 2}}, 2.0) == "m-v1"
    assert not has_passed(board.answers(["b"])["b"])


def test_a_restart_forgets_the_answer_but_not_that_it_was_ready(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    board.watch("m-v1", {"a": 1, "b": 0})
    assert board.answers(["a"]) == {}, "the old process's answer says nothing of the new one"
    assert board.remembered(["a", "b"]) == {"a": Remembered(True, 0, NOW)}
    board.take("a", check("success", 2), 1.0)
    assert board.remembered(["a"]) == {"a": Remembered(True, 1, NOW)}


def test_what_is_remembered_outlives_the_process_but_not_its_row(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    board.watch("m-v1", {"b": 0}, ["a", "b"])
    assert board.remembered(["a"]) == {"a": Remembered(True, 0, NOW)} and board.answers(["a"]) == {}
    board.watch("m-v1", {"b": 0}, ["b"])
    assert board.remembered(["a"]) == {}


def test_replicas_that_left_are_forgotten_and_those_of_others_are_not(board: CheckBoard) -> None:
    board.watch("other-v1", {"c": 0})
    board.watch("m-v1", {"b": 0})
    assert set(board.unasked(["a", "b", "c"])) == {"b", "c"}


def test_starting_replicas_are_asked_often_and_first(board: CheckBoard) -> None:
    assert set(board.due(CHECKS, 0.0, 9)) == {"a", "b"}
    board.take("a", check("success", 1), 0.0)
    board.take("b", check("failure", 1), 0.0)
    assert board.due(CHECKS, EAGER_S / 2, 9) == []
    assert board.due(CHECKS, EAGER_S, 9) == ["b"]
    assert board.due(CHECKS, CALM_S, 9) == ["b", "a"]


def test_probes_and_checks_do_not_wait_for_each_other(board: CheckBoard) -> None:
    board.watch("p-v1", {"c": 0}, lane=PROBES)
    assert (board.due(PROBES, 0.0, 9), set(board.due(CHECKS, 0.0, 9))) == (["c"], {"a", "b"})
    board.watch("p-v1", {})
    assert board.due(PROBES, 0.0, 9) == []


def test_who_is_being_asked_has_its_turn_later_also_if_nothing_comes_of_it(board: CheckBoard) -> None:
    board.note_asked("a", 0.0)
    assert board.due(CHECKS, 0.0, 9) == ["b"]
    assert board.due(CHECKS, EAGER_S, 9) == ["b", "a"]


def test_a_node_that_does_not_answer_is_not_asked_often(board: CheckBoard) -> None:
    board.take("a", check("success", 1), 0.0)
    board.take("a", None, 0.0)
    board.take("b", check("failure", 1), 0.0)
    assert board.due(CHECKS, EAGER_S, 9) == ["a", "b"], "once may be an accident"
    board.take("a", None, 0.0)
    assert board.due(CHECKS, EAGER_S, 9) == ["b"]
    board.take("a", check("failure", 2), 0.0)
    assert set(board.due(CHECKS, EAGER_S, 9)) == {"a", "b"}


def test_a_new_process_is_asked_at_once(board: CheckBoard) -> None:
    for id in ("a", "b"):
        board.take(id, check("success", 1), 0.0)
    board.watch("m-v1", {"a": 1, "b": 0})
    assert board.due(CHECKS, 0.0, 9) == ["a"]


def test_a_bad_answer_counts_for_more_than_none(board: CheckBoard) -> None:
    bad = {"StatusCode": 503}
    board.take("a", check("success", 1), 0.0)
    board.take("a", {"c1": check("failure", 2)["c1"] | bad}, 1.0)
    assert has_passed(board.answers(["a"])["a"])
    board.take("a", {"c1": check("failure", 3)["c1"] | bad}, 2.0)
    assert not has_passed(board.answers(["a"])["a"])


def test_a_replica_in_doubt_is_asked_often(board: CheckBoard) -> None:
    for id in ("a", "b"):
        board.take(id, check("success", 1), 0.0)
    board.take("a", check("failure", 2), 0.0)
    assert board.due(CHECKS, EAGER_S, 10) == ["a"]


def test_what_was_ready_is_saved_when_it_changes_and_loaded_by_the_next_server(
    board: CheckBoard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = MemoryFile(tmp_path / "kept" / "ready.json")
    assert file.load() == {} and board.take_unsaved() is None
    board.take("a", check("success", 1), 0.0)
    unsaved = board.take_unsaved()
    assert unsaved is not None and board.take_unsaved() is None
    file.save(unsaved)
    assert oct((tmp_path / "kept" / "ready.json").stat().st_mode)[-3:] == "600"
    after = CheckBoard(CALM_S, lambda: NOW, file.load())
    assert after.remembered(["a", "b"]) == {"a": Remembered(True, 0, NOW)}
    after.keep(["b"])
    assert after.remembered(["a"]) == {} and after.take_unsaved() == {}
    (tmp_path / "kept" / "ready.json").write_text("[[1")
    assert file.load() == {} and "cannot be read" in caplog.text


SILENT = {"serai": {"Status": "failure", "Output": "i/o timeout", "Silent": True, "Timestamp": 1.0}}


# what an earlier server saw, restarts now, the first answer to this one -> is it ready; asks until it is not (0: never)
@pytest.mark.parametrize(
    ("memory", "restarts", "answer", "ready", "asks"),
    [
        (Remembered(True, 0, NOW), 0, check("success", 1), True, 0),
        (Remembered(True, 0, NOW), 0, check("failure", 1), True, STRIKES),
        (Remembered(True, 0, NOW), 0, None, True, STRIKES),
        (Remembered(True, 0, NOW), 0, SILENT, True, 0),
        (Remembered(True, 0, NOW), 1, check("failure", 1), False, 1),  # another process
        (None, 0, check("failure", 1), False, 1),
        (None, 0, SILENT, False, 1),
    ],
)
def test_the_first_answer_to_a_new_server_counts_as_it_would_have_to_the_one_before(
    memory: Remembered | None, restarts: int, answer: Json | None, ready: bool, asks: int
) -> None:
    board = CheckBoard(CALM_S, lambda: NOW, {"a": memory} if memory else {})
    board.watch("m-v1", {"a": restarts})
    assert board.take("a", answer, 0.0) == "m-v1"
    assert has_passed(board.answers(["a"])["a"]) is ready
    made = 1
    while has_passed(board.answers(["a"])["a"]) and made < 9:
        made += 1
        board.take("a", answer and {id: one | {"Timestamp": float(made)} for id, one in answer.items()}, float(made))
    assert made == (asks or 9)
