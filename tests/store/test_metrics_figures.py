"""Stored digests: packed, encoded and added up they are what the digests of the same times are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.digest import LAST_BUCKET, Digest, middle_of
from serai.store.metrics_figures import Figures, decode_digest, encode_digest, pack
from tests.telemetry.loads import POINTS, loads, parts_of

COUNTS = st.dictionaries(st.integers(0, LAST_BUCKET), st.integers(1, 2**50), max_size=30)


def make_digest(times: list[float]) -> Digest:
    digest = Digest()
    for time in times:
        digest.add(time)
    return digest


@given(COUNTS)
def test_a_digest_comes_back_from_its_bytes(counts: dict[int, int]) -> None:
    packed = pack([(middle_of(bucket), float(count)) for bucket, count in counts.items()])
    assert packed == sum(count << (64 * bucket) for bucket, count in counts.items())
    assert decode_digest(encode_digest(packed)) == packed


@given(loads(1500), st.integers(1, 8), st.integers(0, 2**32))
def test_sums_of_stored_digests_are_the_digest_of_all(times: np.ndarray, count: int, seed: int) -> None:
    figures = Figures()
    for part in parts_of(times, np.random.default_rng(seed), count):
        stored = Figures()
        stored.add_summary(make_digest(part).summary())
        if part:
            packed = decode_digest(encode_digest(stored.packed))
            figures.add(stored.count, stored.sum_s, stored.min_s, stored.max_s, packed)
    whole = make_digest(times.tolist())
    assert (figures.count, figures.min_s, figures.max_s) == (whole.count, whole.min_s, whole.max_s)
    assert figures.sum_s == pytest.approx(whole.sum_s)
    assert figures.quantiles(POINTS) == whole.quantiles(POINTS)


def test_nothing_counted() -> None:
    assert Figures().quantiles(POINTS) is None
    assert decode_digest(encode_digest(0)) == 0


def test_bytes_are_few() -> None:
    times = np.random.default_rng(1).lognormal(-3, 1, 100_000).tolist()
    for count, limit in ((10, 80), (1000, 350), (100_000, 1200)):
        assert len(encode_digest(pack(make_digest(times[:count]).summary().centroids))) < limit
