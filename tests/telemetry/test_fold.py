"""Folding requests into windows: nothing is lost, whatever the clock does."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.window import Clock, SeriesKey, Window
from serai.telemetry.fold import Folder, make_window


def add(folder: Folder, at: float, total_s: float = 0.5, status: int = 200, replica: str = "digits-v1-0") -> None:
    folder.add("digits", 1, replica, status, total_s, 0.25, 0.0, at)


def test_windows_are_aligned_and_closed_when_they_have_passed() -> None:
    folder = Folder()
    for at in (1000.0, 1009.99, 1010.0):
        add(folder, at)
    assert folder.take(1009.99) == []
    [(start, series)] = folder.take(1010.0)
    assert start == 1000.0
    assert series[SeriesKey("digits", 1, "digits-v1-0", "2xx", Clock.TOTAL)].count == 2
    assert folder.take(1010.0) == []
    assert [start for start, _ in folder.take(1010.0, all=True)] == [1010.0]


def test_every_clock_is_a_series_and_one_that_never_ran_is_none() -> None:
    folder = Folder()
    folder.add("digits", 0, "", 503, 2.0, None, 2.0, 1000.0)
    folder.add("digits", 1, "r", 404, 3.0, 1.0, None, 1000.0)
    [(_, series)] = folder.take(2000)
    assert {(key.version, key.replica, key.status, key.clock): summary.sum_s for key, summary in series.items()} == {
        (0, "", "5xx", Clock.TOTAL): 2.0,
        (0, "", "5xx", Clock.QUEUE): 2.0,
        (1, "r", "4xx", Clock.TOTAL): 3.0,
        (1, "r", "4xx", Clock.FIRST_BYTE): 1.0,
    }


def test_bytes_are_of_a_request_and_not_of_a_clock() -> None:
    folder = Folder()
    folder.add("digits", 1, "r", 200, 3.0, 1.0, 0.0, 1000.0, bytes_in=5, bytes_out=70)
    folder.add("digits", 1, "r", 204, 3.0, 1.0, 0.0, 1000.0, bytes_in=2**40)
    folder.add_many("digits", 1, "r", 200, [10, 20], [5], [0, 0], 1000.0, 100, 200)
    folder.add("digits", 1, "r", 404, 3.0, 1.0, 0.0, 1000.0)
    [(_, series)] = folder.take(2000)
    sizes = {(key.status, key.clock): (one.bytes_in, one.bytes_out) for key, one in series.items()}
    assert {key: size for key, size in sizes.items() if any(size)} == {("2xx", Clock.TOTAL): (2**40 + 105, 270)}


def test_a_clock_set_back_keeps_counts_and_delays_none() -> None:
    folder = Folder()
    add(folder, 5000.0)
    add(folder, 1000.0)
    # The hour has been set back: what was counted then is not kept waiting until it comes round again.
    assert [start for start, _ in folder.take(1005.0)] == [5000.0]
    add(folder, 1001.0)
    [(start, series)] = folder.take(1010.0)
    assert (start, next(iter(series.values())).count) == (1000.0, 2)


def test_a_request_of_a_closed_window_opens_it_again() -> None:
    folder = Folder()
    add(folder, 1000.0)
    first = folder.take(1010.0)
    add(folder, 1001.0)
    second = folder.take(1010.0)
    assert [start for start, _ in first + second] == [1000.0, 1000.0]


def test_a_window_carries_its_number() -> None:
    assert make_window("g", 7, 1000.0, 10.0, {}) == Window("g", 7, 1000.0, 10.0, {})


REQUESTS = st.tuples(st.floats(0, 1e5), st.sampled_from([200, 204, 301, 404, 500, 0]), st.sampled_from("abc"))


@given(st.lists(st.tuples(REQUESTS, st.booleans()), max_size=60))
def test_every_request_is_in_exactly_one_window(steps: list[tuple[tuple[float, int, str], bool]]) -> None:
    folder = Folder()
    taken = []
    for (at, status, replica), take in steps:
        add(folder, at, status=status, replica=replica)
        if take:
            taken += folder.take(at)
    taken += folder.take(0.0, all=True)
    counted: dict[tuple[float, str, str], int] = {}
    for start, series in taken:
        for key, summary in series.items():
            if key.clock is Clock.TOTAL:
                place = (start, key.status, key.replica)
                counted[place] = counted.get(place, 0) + summary.count
    expected: dict[tuple[float, str, str], int] = {}
    for (at, status, replica), _ in steps:
        place = (at // 10 * 10, f"{status // 100}xx", replica)
        expected[place] = expected.get(place, 0) + 1
    assert counted == expected


@pytest.mark.timeout(30)
def test_adding_costs_the_loop_next_to_nothing() -> None:
    folder = Folder()
    rounds = []
    for _ in range(5):
        began = time.thread_time()
        for number in range(2000):
            add(folder, 1000.0, total_s=number / 1000)
        rounds.append((time.thread_time() - began) / 2000)
    assert min(rounds) < 10e-6
