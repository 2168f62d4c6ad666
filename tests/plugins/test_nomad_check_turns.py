"""Who is asked next: by mood, then by who waits the longest, within a budget, at a cost that does not grow."""

from __future__ import annotations

import time

import pytest

from serai_nomad.watch.check_turns import CHECKS, EAGER_S, PROBES, Lane, Mood, Turns

CALM_S = 5.0
NEW, EAGER, CALM = Mood


@pytest.mark.parametrize(
    ("waiting", "now", "due"),
    [
        ([], 0.0, ""),
        ([("a", NEW, 9.0)], 0.0, "a"),
        ([("a", EAGER, 0.0)], EAGER_S - 0.01, ""),
        ([("a", EAGER, 0.0)], EAGER_S, "a"),
        ([("a", CALM, 0.0)], CALM_S - 0.01, ""),
        ([("a", CALM, 0.0)], CALM_S, "a"),
        ([("a", CALM, 0.0), ("b", EAGER, 0.0), ("c", NEW, 0.0)], CALM_S, "cba"),
        ([("a", EAGER, 0.0), ("b", EAGER, 1.0), ("c", EAGER, 2.0)], 1.5, "ab"),
        ([("a", EAGER, 0.0), ("b", EAGER, 0.0), ("a", EAGER, 1.0)], 2.0, "ba"),
        ([("a", EAGER, 0.0), ("a", CALM, 0.0)], 2.0, ""),
    ],
)
def test_due(waiting: list[tuple[str, Mood, float]], now: float, due: str) -> None:
    turns = Turns(CHECKS, CALM_S)
    for id, mood, asked_at in waiting:
        turns.put(id, mood, asked_at)
    assert turns.due(now, 1) == list(due)


def test_the_budget_of_a_moment_is_not_exceeded() -> None:
    turns = Turns(CHECKS, CALM_S)
    for number in range(90):
        turns.put(f"n{number}", NEW)
        turns.put(f"e{number}", EAGER, 0.0)
        turns.put(f"c{number}", CALM, 0.0)
    assert turns.due(99.0, 0.1) == [f"n{number}" for number in range(6)] + [f"c{number}" for number in range(4)]
    assert turns.due(99.0, 0.001) == ["n0", "c0"], "the least is one each"


def test_who_has_left_has_no_turn() -> None:
    turns = Turns(CHECKS, CALM_S)
    turns.put("a", NEW)
    turns.drop("a")
    turns.drop("a")
    turns.note_asked("a", 1.0)
    assert turns.due(9.0, 1) == []


@pytest.mark.parametrize(
    ("lane", "mood", "period_s"),
    [(CHECKS, EAGER, 3000 / 60), (CHECKS, CALM, 3000 / 40), (PROBES, EAGER, 6.0), (PROBES, CALM, 30.0)],
)
def test_the_budget_holds_at_three_thousand_replicas(lane: Lane, mood: Mood, period_s: float) -> None:
    turns = Turns(lane, CALM_S)
    for number in range(3000):
        turns.put(f"r{number}", mood, 0.0)
    assert turns.due(period_s - 0.01, 999) == []
    assert len(turns.due(period_s, 999)) == 3000


@pytest.mark.parametrize(("lane", "mood"), [(CHECKS, EAGER), (PROBES, CALM)])
def test_asked_when_due_nobody_starves_and_the_rate_is_that_of_the_budget(lane: Lane, mood: Mood) -> None:
    turns, asked, step_s = Turns(lane, CALM_S), dict.fromkeys(map(str, range(1500)), 0), 0.05
    for id in asked:
        turns.put(id, mood, 0.0)
    rate = lane.eager_per_s if mood is EAGER else lane.calm_per_s
    for step in range(int(3 * 1500 / rate / step_s) + 2):
        for id in turns.due(step * step_s, step_s):
            asked[id] += 1
            turns.put(id, mood, step * step_s)
    assert set(asked.values()) <= {2, 3}, "each had its turn as often as the others"


def test_calm_replicas_cost_nothing_until_their_turn_comes() -> None:
    def look_s(calm: int) -> float:
        turns = Turns(CHECKS, CALM_S)
        for number in range(calm):
            turns.put(f"r{number}", CALM, 0.0)
        for number in range(calm):  # as after hours of being asked in turns
            turns.put(f"r{number}", CALM, 1.0)
        start = time.process_time()
        for _ in range(300):
            turns.due(1.0, 0.05)
        return time.process_time() - start

    assert look_s(100_000) < 20 * look_s(100) + 0.05
