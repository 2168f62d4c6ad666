"""What a server has stored after 30 days of a busy deployment: figures of its requests in every level."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

import numpy as np

from serai.domain.digest import Digest
from serai.domain.window import Clock, SeriesKey, Summary
from serai.store.database import Database
from serai.store.metrics_buckets import put_buckets
from serai.store.metrics_figures import Figures
from serai.store.metrics_rows import LevelRow
from serai.store.metrics_series import number_series, spread

NAME, REPLICAS, STATUSES = "busy", 8, ("1xx", "2xx", "3xx", "4xx", "5xx")
RATE, DAYS, DAY_S = 2000, 30, 86400
SHARES = (0.001, 0.96, 0.009, 0.02, 0.01)


def make_summaries(count: int, variants: int = 6) -> list[Summary]:
    """Return the figures of `count` requests, in some variants."""
    rng = np.random.default_rng(count)
    made = []
    for _ in range(variants):
        digest = Digest()
        digest.add_us((rng.lognormal(-3, 1, count) * 1e6).astype(int).tolist())
        made.append(replace(digest.summary(), bytes_in=700 * count, bytes_out=3000 * count))
    return made


def make_keys() -> dict[SeriesKey, float]:
    """Return every series with its part of the requests."""
    return {
        SeriesKey(NAME, 1, f"{NAME}-v1.{replica}", status, clock): share / REPLICAS
        for replica in range(1, REPLICAS + 1)
        for status, share in zip(STATUSES, SHARES, strict=True)
        for clock in Clock
    }


class Pool:
    """Figures of a span of a series, made once for each number of requests."""

    def __init__(self) -> None:
        self._rng = random.Random(1)
        self._made: dict[tuple[int, bool], list[Summary]] = {}

    def pick(self, share: float, length_s: int, clock: Clock) -> Summary:
        count = max(1, min(round(share * RATE * length_s), 200_000))  # more make a digest no larger
        key = (count, clock is Clock.TOTAL)
        if key not in self._made:
            made = make_summaries(count)
            self._made[key] = made if clock is Clock.TOTAL else [replace(m, bytes_in=0, bytes_out=0) for m in made]
        return self._rng.choice(self._made[key])

    def figures(self, share: float, length_s: int, clock: Clock) -> Figures:
        figures = Figures()
        figures.add_summary(self.pick(share, length_s, clock))
        return figures


def fill(db: Database, pool: Pool, now: int, minute_days: int) -> None:
    """Write what a server has after 30 days. The levels say what is there."""
    shares = make_keys()
    wholes: defaultdict[SeriesKey, float] = defaultdict(float)
    for key, share in shares.items():
        for each in spread(key)[1:]:
            wholes[each] += share
    with db.write():
        numbers = number_series(db, [*shares, *wholes])
    spans = {60: minute_days * DAY_S, 900: DAYS * DAY_S, 3600: DAYS * DAY_S, 86400: DAYS * DAY_S}
    for step_s, span_s in spans.items():
        choices = {
            key: [pool.figures(share, step_s, key.clock) for _ in range(3)] for key, share in (shares | wholes).items()
        }
        first, end = (now - span_s) // DAY_S * DAY_S, now // step_s * step_s
        for start in range(first, end, step_s * 200):
            starts = range(start, min(end, start + step_s * 200), step_s)
            with db.write():
                put_buckets(
                    db,
                    {
                        (numbers[key], step_s, at): differ(choices[key][at // step_s % 3], at // step_s)
                        for key in choices
                        for at in starts
                    },
                )
        with db.write():
            level = {LevelRow.kept_from: first, LevelRow.rolled_until: 0 if step_s == 60 else end}
            LevelRow.update(level).where(LevelRow.step == step_s).execute(db.peewee)


def differ(figures: Figures, place: int) -> Figures:
    """Return the figures with one request more, so that no two digests of a series are the same bytes."""
    other = Figures()
    other.add_all(figures)
    other.add(1, 0.05, 0.05, 0.05, 1 << 64 * (1000 + place % 200))
    return other
