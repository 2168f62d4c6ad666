"""Requests that are remembered one by one, and what the metrics store has to say of them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from serai.domain.digest import RELATIVE_ERROR, Digest
from serai.domain.window import Clock, Summary, Window
from serai.store.metrics import RequestMetrics, Retention
from serai.store.metrics_answer import PERCENTILES, Times
from serai.telemetry.fold import Folder, make_window

DAY = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORT = Retention({60: 3600, 900: 7200, 3600: 86400, 86400: 10 * 86400})


@dataclass(frozen=True)
class Request:
    at: float
    version: int
    replica: str
    status: int
    total_s: float
    first_byte_s: float | None
    bytes_in: int
    bytes_out: int


@dataclass
class Gateway:
    """Folds requests into numbered windows as the gateway does, and remembers them all for the oracle."""

    name: str = "g"
    deployment: str = "digits"
    requests: list[Request] = field(default_factory=list)
    sequence: int = 0

    def serve(self, count: int, start: datetime, length: timedelta, seed: int = 0) -> list[Window]:
        """Return the windows of requests at random; some share one, as a window costs as much as many requests."""
        rng = random.Random(seed)
        folder = Folder()
        instants = make_instants(rng, start, length, 1 + count // 5)
        for _ in range(count):
            self._serve_one(folder, rng, instants())
        return [self.number(at, series) for at, series in folder.take(0.0, all=True)]

    def _serve_one(self, folder: Folder, rng: random.Random, at: float) -> None:
        status = rng.choice([200, 200, 200, 404, 503])
        first = None if status == 503 else rng.lognormvariate(-4, 1)
        version = rng.choice([1, 2])
        replica, sizes = f"digits-v{version}-{rng.randrange(3)}", (rng.randrange(2**34), rng.randrange(5000))
        request = Request(at, version, replica, status, rng.lognormvariate(-3, 1), first, *sizes)
        count_request(folder, self.deployment, request)
        self.requests.append(request)

    def number(self, at: float, series: dict) -> Window:
        self.sequence += 1
        return make_window(self.name, self.sequence, at, 10.0, series)


def make_instants(rng: random.Random, start: datetime, length: timedelta, windows: int) -> Callable[[], float]:
    """Return what draws instants that lie in so many windows at most."""
    starts = [start.timestamp() + 10 * rng.randrange(int(length.total_seconds() / 10)) for _ in range(windows)]
    return lambda: rng.choice(starts) + rng.random() * 9.99


def count_request(folder: Folder, deployment: str, r: Request) -> None:
    times, sizes = (r.total_s, r.first_byte_s, 0.0), (r.bytes_in, r.bytes_out)
    folder.add(deployment, r.version, r.replica, r.status, *times, r.at, True, *sizes)


def assert_times(found: Times, expected: Sequence[float], sizes: tuple[int, int] = (0, 0)) -> None:
    assert found.count == len(expected)
    if not expected:
        assert found == Times()
        return
    assert (found.bytes_in, found.bytes_out) == sizes
    assert found.avg_s == pytest.approx(sum(expected) / len(expected))
    assert found.max_s == max(expected)
    assert found.percentiles is not None
    exact = np.quantile(expected, [percent / 100 for percent in PERCENTILES])
    assert list(found.percentiles) == pytest.approx(list(exact), rel=RELATIVE_ERROR * 1.001, abs=1e-6)


def assert_requests(found: Times, requests: Sequence[Request]) -> None:
    sizes = sum(r.bytes_in for r in requests), sum(r.bytes_out for r in requests)
    assert_times(found, [r.total_s for r in requests], sizes)


def assert_answer(found: RequestMetrics, requests: Sequence[Request]) -> None:
    """Compare the total and every bucket with the requests themselves."""
    inside = [r for r in requests if found.start_at.timestamp() <= r.at < found.end_at.timestamp()]
    assert_requests(found.total[Clock.TOTAL], inside)
    assert_times(found.total[Clock.FIRST_BYTE], [r.first_byte_s for r in inside if r.first_byte_s is not None])
    assert_times(found.total[Clock.QUEUE], [0.0 for _ in inside])
    in_bucket: dict[float, list[Request]] = defaultdict(list)
    for request in inside:
        in_bucket[request.at // found.interval_s * found.interval_s].append(request)
    for at, clocks in found.buckets:
        start = at.timestamp()
        assert start % found.interval_s == 0
        assert_requests(clocks[Clock.TOTAL], in_bucket[start])
    assert sum(clocks[Clock.TOTAL].count for _, clocks in found.buckets) == len(inside)


def make_summary(times: Sequence[float]) -> Summary:
    digest = Digest()
    for seconds in times:
        digest.add(seconds)
    return digest.summary()
