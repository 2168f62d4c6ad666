"""Request figures of a day: what a query costs, and how near its percentiles are, beside t-digests.

    python -m benchmarks.metrics_query [hours]

Fills a SQLite file with windows of one busy deployment (4 replicas, 3 status classes, 3 clocks; 1,200 requests in each
series of a window), asks for ranges of it, and compares two things with the t-digest packages, fastdigest (Rust) and
tdigest (pure Python): merging the digests of a day's quarters of an hour, and the greatest error of any percentile of
loads with one mode, with two, and with few values. The limits: a day in 100 ms, an hour in 50 ms, an error of 1 %.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import fastdigest
import numpy as np
import tdigest

from benchmarks.report import report
from serai.domain.digest import Digest
from serai.domain.window import Clock, SeriesKey, Summary, Window
from serai.store.database import Database
from serai.store.metrics import load_requests, roll_up, take_window
from serai.store.metrics_figures import Figures, decode_digest, encode_digest
from serai.telemetry.fold import Folder

DAY = datetime(2026, 1, 1, tzinfo=UTC)
POINTS = [0.5, 0.75, 0.9, 0.95, 0.99]
_Row = dict[str, object]


@dataclass(frozen=True)
class Cost:
    """Milliseconds on the clock, and of the processor: on a busy machine the clock mostly measures the others."""

    wall: float
    cpu: float

    def times(self, factor: float) -> Cost:
        return Cost(self.wall * factor, self.cpu * factor)


def best(action: Callable[[], object], times: int = 5) -> Cost:
    """Return the least of each in several runs of `action`."""
    taken = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return Cost(*(min(each) * 1000 for each in zip(*taken, strict=True)))


def median_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(median(cost.wall for cost in costs), median(cost.cpu for cost in costs))


def make_summaries(count: int, requests: int) -> list[Summary]:
    rng = random.Random(1)
    return [summarise([rng.lognormvariate(-3, 1) for _ in range(requests)]) for _ in range(count)]


def summarise(times: list[float]) -> Summary:
    digest = Digest()
    for value in times:
        digest.add(value)
    return digest.summary()


def fill(db: Database, hours: int) -> list[_Row]:
    """Write `hours` of windows; return what taking one and rolling up cost."""
    pool = make_summaries(40, 1200)
    rng = random.Random(2)
    keys = [
        SeriesKey("digits", 1, f"digits-v1-{replica}", status, clock)
        for replica in range(4)
        for status in ("2xx", "4xx", "5xx")
        for clock in Clock
    ]
    taking: list[Cost] = []
    rolling: list[Cost] = []
    for number in range(hours * 360):
        if number >= 360 and number % 6:  # after the first hour one window a minute will do, to be done sooner
            continue
        at = DAY.timestamp() + number * 10
        window = Window("g", number, at, 10.0, {key: rng.choice(pool) for key in keys})
        taking.append(best(lambda window=window: take_window(db, window), 1))
        if number % 6 == 0:
            rolling.append(best(lambda at=at: roll_up(db, datetime.fromtimestamp(at, UTC)), 1))
    return [
        make_row("take a window of 36 series, median", median_cost(taking[:360])),
        make_row(
            "roll up a level, when one is due", median_cost([cost for cost in rolling if cost.cpu > 5] or rolling)
        ),
    ]


def measure_queries(db: Database, hours: int) -> list[_Row]:
    def query(
        name: str, limit_ms: float | str, start_minutes: int, length: timedelta, interval_s: int, **which: str
    ) -> _Row:
        start = DAY + timedelta(minutes=start_minutes)
        return make_row(
            name, best(lambda: load_requests(db, "digits", start, start + length, interval_s, **which)), limit_ms
        )

    whole, replica = timedelta(hours=hours), "digits-v1-2"
    return [
        query("1 h by 1 min", 50, 7, timedelta(hours=1), 60),
        query("1 h by 1 min, 5xx", 50, 7, timedelta(hours=1), 60, status="5xx"),
        query(f"{hours} h by 15 min", 100, 0, whole, 900),
        query(f"{hours} h by 15 min, ragged", 100, 7, whole, 900),
        query(f"{hours} h by 15 min, 5xx", 100, 0, whole, 900, status="5xx"),
        query(f"{hours} h by 15 min, one replica", 100, 0, whole, 900, replica=replica),
        query(f"{hours} h by 1 h", 100, 0, whole, 3600),
        query(f"{hours} h by 5 min", "", 0, whole, 300),
        query(f"{hours} h by 1 min", "", 0, whole, 60),
    ]


def measure_merging() -> list[_Row]:
    """Merge 1,152 digests (a day's quarters of 12 series) of 3,000 requests, as they come from the database."""
    count, rng = 1152, random.Random(3)
    samples = [[rng.lognormvariate(-3, 1) for _ in range(3000)] for _ in range(24)]
    ours = [encode_digest(_pack(summarise(sample))) for sample in samples]
    rust = [fastdigest.TDigest.from_values(sample, max_centroids=300).to_bytes() for sample in samples]
    pure = []
    for sample in samples[:3]:
        digest = tdigest.TDigest(delta=0.01)
        digest.batch_update(sample)
        pure.append(digest)
    merging = best(lambda: sum(pure[1:], pure[0]), 1).times(count / 2)
    return [
        make_row("merge 1,152 digests, ours", best(lambda: sum(decode_digest(ours[i % 24]) for i in range(count)), 3)),
        make_row(
            "merge 1,152 digests, fastdigest 300",
            best(lambda: fastdigest.merge_all([fastdigest.TDigest.from_bytes(rust[i % 24]) for i in range(count)]), 3),
        ),
        make_row("merge 1,152 digests, tdigest 0.01 (scaled from 2)", merging),
        make_row("stored digest of 3,000 requests, ours", len(ours[0]), unit="bytes"),
        make_row("stored digest of 3,000 requests, fastdigest 300", len(rust[0]), unit="bytes"),
    ]


def _pack(summary: Summary) -> int:
    figures = Figures()
    figures.add_summary(summary)
    return figures.packed


def measure_folding() -> list[_Row]:
    times = [random.Random(4).lognormvariate(-3, 1) for _ in range(20_000)]

    def fold() -> None:
        folder = Folder()
        for number, total_s in enumerate(times):
            folder.add("digits", 1, "digits-v1-0", 200, total_s, total_s / 2, 0.0, 1000.0 + number % 10)

    return [make_row("fold a request, 3 clocks", best(fold).times(1000 / len(times)), 10, unit="us")]


def make_loads(size: int = 60_000) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(1)
    fast, slow = rng.normal(0.01, 0.0005, size), rng.normal(1, 0.05, size)
    return {
        "log-normal": rng.lognormal(-3, 1, size),
        "heavy tail (Pareto 1.1)": rng.pareto(1.1, size) + 0.001,
        "two modes, 95 % by chance": np.where(rng.random(size) < 0.95, fast, slow),
        "two modes, 90 % exactly": np.where(np.arange(size) < 0.9 * size, fast, slow),
        "five values": rng.choice([0.001, 0.01, 0.1, 1, 10], size, p=[0.5, 0.25, 0.15, 0.05, 0.05]),
        "constant": np.full(size, 0.25),
    }


def measure_errors() -> list[_Row]:
    """Return the greatest error of any percentile after 60 parts of a load were merged."""
    rows = []
    for name, times in make_loads().items():
        exact = np.quantile(times, POINTS)
        np.random.default_rng(2).shuffle(times)
        parts = [part.tolist() for part in np.array_split(times, 60)]
        merged = Figures()
        for part in parts:
            merged.add_summary(summarise(part))
        rows.append(make_row(f"error, {name}, ours", _error(merged.quantiles(POINTS), exact), 1, unit="%"))
        for centroids in (300, 3000):
            digests = [fastdigest.TDigest.from_values(part, max_centroids=centroids) for part in parts]
            other = fastdigest.merge_all(digests, max_centroids=centroids).quantile_vec(POINTS)
            rows.append(make_row(f"error, {name}, fastdigest {centroids}", _error(other, exact), 1, unit="%"))
    return rows


def _error(found: list[float] | None, exact: np.ndarray) -> float:
    return float(np.abs(np.array(found) / exact - 1).max() * 100)


def make_row(what: str, value: Cost | float, limit: float | str = "", unit: str = "ms") -> _Row:
    wall, cpu = (value.wall, value.cpu) if isinstance(value, Cost) else (float(value), "")
    return {"what": what, "value": wall, "cpu": cpu, "unit": unit, "limit": limit}


def main() -> None:
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    with tempfile.TemporaryDirectory() as folder:
        db = Database.open(f"sqlite:///{folder}/metrics.db")
        rows = fill(db, hours) + measure_queries(db, hours)
        db.close()
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    rows.append(make_row(f"database of {hours} h", size, unit="MB"))
    report("metrics_query", rows + measure_folding() + measure_merging() + measure_errors())


if __name__ == "__main__":
    main()
