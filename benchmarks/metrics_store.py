"""Request figures of a busy deployment through the API of a real server, while gateways send; and what they weigh.

    python -m benchmarks.metrics_store [days of minutes]

One deployment has 8 replicas, 5 status classes and 3 clocks at 2,000 requests/s: 30 days by the quarter, hour and day,
and a day (or as many as are given; a week is what is kept) by the minute. Asked are an hour and 30 days, by one caller,
with nobody else there and with a window of all series a second, as ten gateways send them. The limit is 50 ms for
99 of 100 calls of the hour; a call that reads no figures shows what the machine itself adds. Growth is that of the
file, by what a day of it holds.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.report import report
from serai.domain.digest import Digest
from serai.domain.observation import GpuUsage, Usage
from serai.domain.window import Clock, SeriesKey, Summary, Window, dump_window
from serai.store.database import Database
from serai.store.metrics_buckets import put_buckets
from serai.store.metrics_figures import Figures, decode_digest, encode_digest
from serai.store.metrics_rows import LevelRow
from serai.store.metrics_series import number_series, spread
from serai.store.usage import roll_up_usage, take_usage
from tests.system.installation import Installation, make_model

NAME, REPLICAS, STATUSES = "busy", 8, ("1xx", "2xx", "3xx", "4xx", "5xx")
RATE, DAYS, DAY_S = 2000, 30, 86400
SEQUENCE, START = 987654321, 876543210  # stand for those of a window
SHARES = (0.001, 0.96, 0.009, 0.02, 0.01)
_Row = dict[str, object]


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


def size_of(db: Database) -> int:
    """Return the bytes in use of the file."""
    with db.read():
        pages, free, size = (
            db.peewee.execute_sql(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def measure_growth(db: Database, empty: int) -> list[_Row]:
    """Return the bytes of a day of figures, by requests and by replica; minutes and what is summed up of them."""
    sql = "SELECT SUM(LENGTH(digest) + 30), MIN(at), MAX(at) FROM metric_bucket WHERE step = ?"
    with db.read():
        rows = {step: db.peewee.execute_sql(sql, (step,)).fetchone() for step in (60, 900, 3600, 86400)}
    share = (size_of(db) - empty) / sum(written for written, _, _ in rows.values())  # what trees of pages add
    day = {step: share * written * DAY_S / (last - first + step) for step, (written, first, last) in rows.items()}
    million, later = RATE * DAY_S / 1e6, day[900] + day[3600] + day[86400]
    return [
        make_row("figures by the minute, of a million requests", day[60] / million / 1e3, "", "kB"),
        make_row("figures by quarter, hour and day, of a million requests", later / million / 1e3, "", "kB"),
        make_row("figures by the minute, of a replica-day", day[60] / REPLICAS / 1e6, "", "MB"),
        make_row("figures by quarter, hour and day, of a replica-day", later / REPLICAS / 1e6, "", "MB"),
    ]


def measure_usage_growth(folder: Path) -> list[_Row]:
    """Return the bytes of a day's samples of a replica with one GPU, and of their sums."""
    rng = random.Random(2)
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    db = Database.open(f"sqlite:///{folder}/usage.db")
    try:
        empty = size_of(db)
        for hour in range(24):
            samples = [make_sample(rng, midnight + timedelta(seconds=hour * 3600 + 10 * n + 5)) for n in range(360)]
            take_usage(db, samples, {f"{NAME}-v1.1": f"{NAME}-v1"})
        raw = size_of(db) - empty
        roll_up_usage(db, midnight + timedelta(days=1, minutes=2))
        rolled = size_of(db) - empty - raw
    finally:
        db.close()
    return [
        make_row("samples of a replica-day, with a GPU", raw / 1e6, "", "MB"),
        make_row("their sums by the minute, quarter, hour and day", rolled / 1e6, "", "MB"),
    ]


def make_sample(rng: random.Random, at: datetime) -> Usage:
    gpu = GpuUsage("GPU-1", "H100", rng.random() * 100, rng.randrange(2**36), 2**36)
    return Usage(f"{NAME}-v1.1", at, rng.random(), 0.1, 4.0, rng.randrange(2**30), 2**33, (gpu,))


@dataclass
class Caller:
    """Calls the API on one connection."""

    port: int
    token: str

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, f"/api/v1{path}", body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {text[:500]!r}")
        return text

    def close(self) -> None:
        self._connection.close()


def make_body(pool: Pool) -> bytes:
    """Return a window of all series, made beforehand: else the time to write it would be measured with the calls."""
    series = {key: pool.pick(share, 10, key.clock) for key, share in make_keys().items()}
    return json.dumps({"windows": [dump_window(Window("bench", SEQUENCE, START, 10.0, series))]}).encode()


@contextmanager
def sending(installation: Installation, pool: Pool) -> Iterator[list[float]]:
    """Send a window of all series each second, until the end; yield the seconds that each took."""
    token = (installation.data / "gateway.token").read_text().strip()
    caller, stopped, taken = Caller(installation.port, token), threading.Event(), list[float]()
    bodies = [make_body(pool) for _ in range(10)]

    def send() -> None:
        sequence = 0
        while not stopped.wait(1.0):
            sequence += 1
            start = int(time.time() // 10 * 10)
            body = (
                bodies[sequence % 10].replace(b"%d" % SEQUENCE, b"%d" % sequence).replace(b"%d" % START, b"%d" % start)
            )
            began = time.perf_counter()
            caller.send("POST", "/telemetry", body)
            taken.append(time.perf_counter() - began)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield taken
    finally:
        stopped.set()
        thread.join()
        caller.close()


QUERIES = (
    ("1 h by 1 min", "from=1h&interval=1m", 200, 50),
    ("1 h by 1 min, 5xx", "from=1h&interval=1m&status=5xx", 200, 50),
    ("1 h by 1 min, one replica", f"from=1h&interval=1m&replica={NAME}-v1.2", 200, 50),
    ("30 d by 6 h", "from=30d&interval=6h", 30, ""),
    ("30 d by 6 h, 5xx", "from=30d&interval=6h&status=5xx", 10, ""),
    ("30 d by 1 h", "from=30d&interval=1h", 10, ""),
    ("30 d by 1 d", "from=30d&interval=1d", 30, ""),
)


def measure_queries(installation: Installation, when: str) -> list[_Row]:
    caller = Caller(installation.port, (installation.data / "admin.token").read_text().strip())
    rows = measure_call(f"nothing of metrics (whoami), {when}", caller, "/whoami", 200, "")
    for name, query, times, limit in QUERIES:
        path = f"/deployments/{NAME}/metrics/requests?{query}"
        counted = json.loads(caller.send("GET", path))["total"]["count"]
        if not counted:
            raise RuntimeError(f"{name}: nothing was counted")
        rows += measure_call(f"{name}, {when}", caller, path, times, limit)
    caller.close()
    return rows


def measure_call(name: str, caller: Caller, path: str, times: int, limit: float | str) -> list[_Row]:
    took = sorted(time_of(partial(caller.send, "GET", path)) for _ in range(times))
    p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
    return [make_row(f"{name}, p50", took[len(took) // 2] * 1e3), make_row(f"{name}, p99", p99 * 1e3, limit)]


def time_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure_upkeep() -> list[_Row]:
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


def make_row(what: str, value: float, limit: float | str = "", unit: str = "ms") -> _Row:
    return {"what": what, "value": float(value), "unit": unit, "limit": limit}


def run(folder: Path, minute_days: int) -> Sequence[_Row]:
    pool, installation = Pool(), Installation(folder / "serai", {"plugins": "local", "log_level": "warning"})
    installation.data.mkdir(mode=0o700)
    db = Database.open(f"sqlite:///{installation.data}/metrics.db")
    empty = size_of(db)
    fill(db, pool, int(time.time()), minute_days)
    rows = [make_row(f"database of {DAYS} days, {minute_days} by the minute", size_of(db) / 1e6, "", "MB")]
    rows += measure_growth(db, empty)
    db.close()
    try:
        installation.start_server()
        installation.deploy(make_model(folder / NAME))
        rows += measure_queries(installation, "alone")
        with sending(installation, pool) as taken:
            rows += measure_queries(installation, "under load")
        rows.append(make_row("a window of 120 series is taken, p50", sorted(taken)[len(taken) // 2] * 1e3))
    finally:
        installation.close()
    return rows


def main() -> None:
    minute_days = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing that was started stays behind
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*run(folder, minute_days), *measure_usage_growth(folder)]
    report("metrics_store", [*rows, *measure_upkeep()])


if __name__ == "__main__":
    main()
