"""Which stored buckets answer a range: tables, and the property that each minute is read once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.store.metrics_levels import (
    INTERVALS_S,
    STEPS_S,
    Level,
    Range,
    Read,
    ceil_to,
    derive_range,
    floor_to,
    plan_reads,
    plan_total,
)

INF = float("inf")
ROLLED = [Level(60, 0, INF), Level(900, 0, 9000), Level(3600, 0, 7200), Level(86400, 0, 0)]


@pytest.mark.parametrize(
    ("wanted", "reads"),
    [
        (Range(0, 7200, 3600), [Read(3600, 0, 7200)]),
        (Range(0, 7200, 900), [Read(900, 0, 7200)]),
        (Range(0, 7200, 300), [Read(60, 0, 7200)]),
        (Range(0, 7200, 1800), [Read(900, 0, 7200)]),
        # what is not rolled up yet comes from finer levels
        (Range(0, 9960, 3600), [Read(3600, 0, 7200), Read(900, 7200, 9000), Read(60, 9000, 9960)]),
        # ragged edges too
        (
            Range(840, 7260, 3600),
            [Read(60, 840, 900), Read(900, 900, 3600), Read(3600, 3600, 7200), Read(60, 7200, 7260)],
        ),
        (Range(60, 120, 86400), [Read(60, 60, 120)]),
        (Range(60, 60, 60), []),
    ],
)
def test_the_coarsest_complete_level_is_read(wanted: Range, reads: list[Read]) -> None:
    assert plan_reads(wanted, ROLLED) == reads


def test_a_total_is_read_from_the_coarsest_of_all() -> None:
    wanted = Range(840, 9960, 60)
    assert plan_reads(wanted, ROLLED) == [Read(60, 840, 9960)]
    assert plan_total(wanted, ROLLED) == plan_reads(Range(840, 9960, 86400), ROLLED)
    assert Read(3600, 3600, 7200) in plan_total(wanted, ROLLED)


PRUNED = [Level(60, 7200, INF), Level(900, 3600, 90000), Level(3600, 0, 90000), Level(86400, 0, 86400)]


@pytest.mark.parametrize(
    ("start", "end", "interval_s", "wanted"),
    [
        (7261.5, 7399.0, 60, Range(7260, 7440, 60)),
        (7199.0, 9000.0, 60, Range(6300, 9000, 900)),  # no minutes there: quarters of an hour instead
        (5000.0, 5100.0, 60, Range(4500, 5400, 900)),
        (0.0, 9001.0, 300, Range(0, 9060, 3600)),
        (0.0, 9001.0, 21600, Range(0, 9060, 21600)),
    ],
)
def test_a_range_is_widened_to_what_is_kept(start: float, end: float, interval_s: int, wanted: Range) -> None:
    assert derive_range(start, end, interval_s, PRUNED) == wanted


DAYS = 5
MINUTES = st.integers(0, DAYS * 1440).map(lambda minute: minute * 60)


@st.composite
def levels_of(draw: st.DrawFn) -> list[Level]:
    """Draw levels as roll-up and pruning leave them."""
    rolled = sorted((draw(MINUTES) for _ in STEPS_S[1:]), reverse=True)
    untils = [INF, *(floor_to(at, step) for at, step in zip(rolled, STEPS_S[1:], strict=True))]
    kept, floors = 0, []
    for step, coarser, until in reversed(
        list(zip(STEPS_S, [*STEPS_S[1:], STEPS_S[-1]], [*untils[1:], untils[-1]], strict=True))
    ):
        kept = max(kept, floor_to(min(draw(MINUTES), until), coarser)) if coarser != step else 0
        floors.append(kept)
    return [Level(step, floor, until) for step, floor, until in zip(STEPS_S, reversed(floors), untils, strict=True)]


@given(levels_of(), MINUTES, MINUTES, st.sampled_from(INTERVALS_S))
def test_every_minute_is_read_exactly_once_from_what_is_complete_and_kept(
    levels: list[Level], start: int, end: int, interval_s: int
) -> None:
    wanted = derive_range(min(start, end), max(start, end), interval_s, levels)
    assert_covered(wanted, levels, plan_reads(wanted, levels), interval_s=wanted.interval_s)
    assert_covered(wanted, levels, plan_total(wanted, levels), interval_s=STEPS_S[-1])


def assert_covered(wanted: Range, levels: list[Level], reads: list[Read], interval_s: int) -> None:
    covered = wanted.start
    for read in reads:
        level = next(level for level in levels if level.step_s == read.step_s)
        assert read.start == covered
        assert level.kept_from <= read.start
        assert read.end <= level.rolled_until
        assert read.start % read.step_s == read.end % read.step_s == interval_s % read.step_s == 0
        covered = read.end
    assert covered == wanted.end


@given(st.floats(0, 2e9, allow_subnormal=False), st.sampled_from(STEPS_S))
def test_floor_and_ceil(at: float, step_s: int) -> None:
    assert floor_to(at, step_s) <= at <= ceil_to(at, step_s)
    assert ceil_to(at, step_s) - floor_to(at, step_s) in {0, step_s}


def test_buckets_are_aligned_to_the_interval() -> None:
    assert list(Range(1000, 2000, 900).bucket_starts()) == [900, 1800]
    assert list(Range(900, 1800, 900).bucket_starts()) == [900]
