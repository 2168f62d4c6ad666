"""How many times a second are counted into digests, and how many stored digests are merged."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics_history import make_summaries
from benchmarks.metrics_rows import Row, make_row, time_of
from serai.domain.digest import Digest
from serai.domain.window import Summary
from serai.store.metrics_figures import Figures, decode_digest, encode_digest


def measure_upkeep() -> list[Row]:
    """Return how many times a second are counted, and how many stored digests merged."""
    times_us = (np.random.default_rng(4).lognormal(-3, 1, 100_000) * 1e6).astype(int).tolist()
    seconds = [time / 1e6 for time in times_us]

    def count_each() -> None:
        digest = Digest()
        for value in seconds:
            digest.add(value)

    stored = [_packed(summary) for summary in make_summaries(3000)]
    each = min(time_of(count_each) for _ in range(3))
    together = min(time_of(lambda: Digest().add_us(times_us)) for _ in range(3))
    merged = min(time_of(lambda: sum(decode_digest(stored[i % 6]) for i in range(2000))) for _ in range(3))
    return [
        make_row("times counted one by one", len(seconds) / each / 1e6, "", "M/s"),
        make_row("times counted together (HAProxy's)", len(times_us) / together / 1e6, "", "M/s"),
        make_row("stored digests of 3,000 merged", 2000 / merged / 1e3, "", "k/s"),
    ]


def _packed(summary: Summary) -> bytes:
    figures = Figures()
    figures.add_summary(summary)
    return encode_digest(figures.packed)
