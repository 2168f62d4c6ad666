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
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.digest_upkeep import measure_upkeep
from benchmarks.metrics_growth import measure_growth, measure_usage_growth, size_of
from benchmarks.metrics_history import DAYS, NAME, Pool, fill, make_keys
from benchmarks.metrics_rows import Row, make_row, time_of
from benchmarks.report import report
from serai.domain.window import Window, dump_window
from serai.store.database import Database
from tests.system.installation import Installation, make_model

SEQUENCE, START = 987654321, 876543210  # stand for those of a window


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


def measure_queries(installation: Installation, when: str) -> list[Row]:
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


def measure_call(name: str, caller: Caller, path: str, times: int, limit: float | str) -> list[Row]:
    took = sorted(time_of(partial(caller.send, "GET", path)) for _ in range(times))
    p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
    return [make_row(f"{name}, p50", took[len(took) // 2] * 1e3), make_row(f"{name}, p99", p99 * 1e3, limit)]


def run(folder: Path, minute_days: int) -> Sequence[Row]:
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
