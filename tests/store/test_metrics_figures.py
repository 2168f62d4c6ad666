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
            digest = encode_digest(stored.packed)
            figures.add_stored(stored.count, stored.sum_s, stored.min_s, stored.max_s, digest, 0, 0)
    whole = make_digest(times.tolist())
    assert (figures.count, figures.min_s, figures.max_s) == (whole.count, whole.min_s, whole.max_s)
    assert figures.sum_s == pytest.approx(whole.sum_s)
    assert figures.quantiles(POINTS) == whole.quantiles(POINTS)  # of one digest by its bytes, of more by their sum
    assert figures.packed == pack(whole.summary().centroids)
    assert figures.quantiles(POINTS) == whole.quantiles(POINTS)


@pytest.mark.parametrize("most", [200, 60_000, 2**31, 2**50])
def test_one_stored_digest_is_read_as_its_sum(most: int) -> None:
    """Whatever the bytes that its counts take."""
    rng = np.random.default_rng(3)
    centroids = [(middle_of(int(b)), float(n)) for b, n in enumerate(rng.integers(0, most, 900), 500) if n]
    digest, count = encode_digest(pack(centroids)), int(sum(n for _, n in centroids))
    stored, summed = Figures(), Figures()
    stored.add_stored(count, 1.0, 1e-6, 1e6, digest, 0, 0)
    summed.add(count, 1.0, 1e-6, 1e6, pack(centroids))
    assert stored.quantiles(POINTS) == summed.quantiles(POINTS)


def test_nothing_counted() -> None:
    assert Figures().quantiles(POINTS) is None
    assert decode_digest(encode_digest(0)) == 0


def test_bytes_are_few() -> None:
    times = np.random.default_rng(1).lognormal(-3, 1, 100_000).tolist()
    for count, limit in ((10, 80), (1000, 350), (100_000, 1200)):
        assert len(encode_digest(pack(make_digest(times[:count]).summary().centroids))) < limit
