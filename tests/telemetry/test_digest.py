"""Digests: every percentile within the bound, for any load, in any order of merging; read by t-digest libraries."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tdigest import TDigest

from serai.domain.digest import (
    GREATEST_S,
    LAST_BUCKET,
    LEAST_S,
    LIMIT_S,
    RELATIVE_ERROR,
    Digest,
    bucket_of,
    merge_summaries,
    middle_of,
)
from serai.domain.window import Clock, SeriesKey, Summary, Window, dump_window, load_window
from tests.telemetry.loads import LOADS, POINTS, exact, loads, parts_of

BOUND = RELATIVE_ERROR * 1.001  # the middles are rounded to seven digits


def make_digest(times: list[float]) -> Digest:
    digest = Digest()
    for time in times:
        digest.add(time)
    return digest


def assert_percentiles(found: list[float] | None, times: np.ndarray) -> None:
    assert found is not None
    assert found == pytest.approx(exact(times), rel=BOUND, abs=LEAST_S)


@given(loads(), st.integers(1, 12), st.integers(0, 2**32))
def test_percentiles_are_within_the_bound_however_merged(times: np.ndarray, count: int, seed: int) -> None:
    parts = [make_digest(part).summary() for part in parts_of(times, np.random.default_rng(seed), count)]
    nested = merge_summaries([merge_summaries(parts[:3]), merge_summaries(parts[3:])])
    assert nested.centroids == make_digest(times.tolist()).summary().centroids
    digest = Digest()
    digest.merge(nested)
    assert_percentiles(digest.quantiles(POINTS), times)
    assert (nested.count, nested.min_s, nested.max_s) == (len(times), times.min(), times.max())
    assert nested.sum_s == pytest.approx(times.sum())


@pytest.mark.parametrize("name", LOADS)
def test_percentiles_of_a_busy_day(name: str) -> None:
    times = LOADS[name](np.random.default_rng(7), 200_000)
    assert_percentiles(make_digest(times.tolist()).quantiles(POINTS), times)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
@example([0.0, 1e6])
@example([5e-7, 2e-6])
def test_percentiles_of_a_few_arbitrary_times(times: list[float]) -> None:
    assert_percentiles(make_digest(times).quantiles(POINTS), np.array(times))


@given(st.floats(LEAST_S, GREATEST_S))
def test_a_middle_is_near_every_time_of_its_bucket(time: float) -> None:
    assert middle_of(bucket_of(time)) == pytest.approx(time, rel=BOUND)


def test_a_middle_leads_back_to_its_bucket() -> None:
    assert [bucket_of(middle_of(number)) for number in range(LAST_BUCKET + 1)] == list(range(LAST_BUCKET + 1))


@pytest.mark.parametrize(
    ("time", "counted_as"),
    [(-1.0, 0.0), (math.nan, 0.0), (math.inf, LIMIT_S), (-math.inf, 0.0), (1e12, LIMIT_S), (1e8, 1e8)],
)
def test_what_a_broken_clock_gives_stays_bounded(time: float, counted_as: float) -> None:
    summary = make_digest([time, 1.0]).summary()
    assert summary.sum_s == 1.0 + counted_as
    assert summary.count == sum(weight for _, weight in summary.centroids) == 2
    assert [summary.min_s, summary.max_s] == sorted([1.0, counted_as])


@given(
    st.lists(
        st.one_of(st.integers(-3, 2**19), st.integers(2**17, 2 * 10**15), st.sampled_from([0, 1, 2**18 - 1, 2**18]))
    )
)
def test_whole_microseconds_count_as_each_by_itself(times_us: list[int]) -> None:
    digest, expected = Digest(), make_digest([time_us / 1e6 for time_us in times_us])
    digest.add_us(times_us)
    found = digest.summary()
    assert found == replace(expected.summary(), sum_s=found.sum_s)
    assert found.sum_s == pytest.approx(expected.sum_s)


def test_nothing_counted() -> None:
    assert Digest().quantiles(POINTS) is None
    assert Digest().summary() == Summary(0, 0.0, 0.0, 0.0, ())
    assert merge_summaries([Digest().summary(), make_digest([3.0]).summary()]).min_s == 3.0


@given(loads(500), st.integers(0, 2**53))
def test_a_window_comes_back_from_json_as_it_was(times: np.ndarray, size: int) -> None:
    summary = replace(make_digest(times.tolist()).summary(), bytes_out=size)
    series = {SeriesKey("digits", 1, "r", "2xx", Clock.TOTAL): summary}
    window = Window("g", 1, 0.0, 10.0, series)
    assert load_window(json.loads(json.dumps(dump_window(window)))) == window


def test_a_window_of_a_gateway_that_tells_no_bytes() -> None:
    series = {SeriesKey("digits", 1, "r", "2xx", Clock.TOTAL): make_digest([1.0]).summary()}
    values = dump_window(Window("g", 1, 0.0, 10.0, series))
    assert "bytes_in" not in values["series"][0]
    assert load_window(values).series == series


def test_bytes_are_merged_exactly() -> None:
    parts = [replace(make_digest([1.0]).summary(), bytes_in=2**60 + n, bytes_out=n) for n in range(5)]
    merged = merge_summaries(parts)
    assert (merged.bytes_in, merged.bytes_out) == (5 * 2**60 + 10, 10)


def rank_of(times: np.ndarray, seconds: float) -> tuple[float, float]:
    """Return the least and greatest rank, 0 to 1, of a time among sorted times, give or take the error of a digest."""
    below, above = seconds * (1 - BOUND), seconds * (1 + BOUND)
    return np.searchsorted(times, below) / len(times), np.searchsorted(times, above, "right") / len(times)


class TestSecondOpinion:
    """t-digest libraries count the same load alike; they read our centroids and we read theirs."""

    times = np.random.default_rng(3).lognormal(-3, 1, 4000)

    def test_tdigest_agrees(self) -> None:
        other = TDigest(delta=0.001)
        other.batch_update(self.times)
        theirs = [other.percentile(100 * point) for point in POINTS]
        assert make_digest(self.times.tolist()).quantiles(POINTS) == pytest.approx(theirs, rel=0.02)

    @pytest.mark.parametrize("name", LOADS)
    def test_tdigest_agrees_whatever_the_load_and_however_merged(self, name: str) -> None:
        """It is near in rank where we are near in value: what it says has, by our digest, the rank that was asked."""
        random = np.random.default_rng(5)
        times = LOADS[name](random, 2000)
        random.shuffle(times)
        theirs, ours = [], []
        for part in np.array_split(times, 3):
            one = TDigest(delta=0.005)
            one.batch_update(part.tolist())
            theirs.append(one)
            ours.append(make_digest(part.tolist()).summary())
        other, merged = theirs[0] + theirs[1] + theirs[2], merge_summaries(ours)
        digest, in_order = Digest(), np.sort(times)
        digest.merge(merged)
        for point, seconds in zip(POINTS, digest.quantiles(POINTS) or [], strict=True):
            least, greatest = rank_of(in_order, seconds)
            their_least, their_greatest = rank_of(in_order, other.percentile(100 * point))
            assert least - 0.01 <= point <= greatest + 0.01
            assert their_least - 0.02 <= greatest and least <= their_greatest + 0.02

    def test_tdigest_reads_our_centroids(self) -> None:
        ours = make_digest(self.times.tolist())
        other = TDigest(delta=0.001)
        other.update_centroids_from_list([{"m": mean, "c": weight} for mean, weight in ours.summary().centroids])
        theirs = [other.percentile(100 * point) for point in POINTS]
        assert ours.quantiles(POINTS) == pytest.approx(theirs, rel=0.02)

    def test_we_read_the_centroids_of_fastdigest(self) -> None:
        fastdigest = pytest.importorskip("fastdigest")
        other = fastdigest.TDigest.from_values(self.times.tolist(), max_centroids=1000)
        ours = Digest()
        least, greatest = float(self.times.min()), float(self.times.max())
        ours.merge(Summary(4000, float(self.times.sum()), least, greatest, tuple(other.centroids)))
        assert ours.quantiles(POINTS) == pytest.approx(exact(self.times), rel=0.02)
