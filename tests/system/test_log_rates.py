"""Many lines a second, of one replica and of many, through kill -9 of the server and a connection that breaks.

`python -m benchmarks.logs_kills` has the full size: 10,000 lines/s of one replica, 200 replicas at 100 lines/s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serai.client.client import LogQuery
from serai.domain.errors import SchedulerUnavailable
from tests.system.cutting_logs import CONFIG, count_cuts
from tests.system.installation import Installation, make_model
from tests.system.numbered import PACED, check_numbers
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def cutting(tmp_path: Path) -> Iterator[Installation]:
    """A server whose collector loses its connection again and again."""
    made = Installation(tmp_path / "serai", config=CONFIG)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.mark.parametrize(("replicas", "rate", "seconds"), [(1, 5_000, 4), (4, 100, 4)])
def test_numbered_lines_at_speed(cutting: Installation, tmp_path: Path, replicas: int, rate: int, seconds: int) -> None:
    serai, total = cutting, rate * seconds
    manifest = f"replicas: {replicas}\nenv: {{RATE: '{rate}', TOTAL: '{total}'}}\n"
    serai.deploy(make_model(tmp_path / "paced", manifest, PACED))
    for _ in range(2):
        time.sleep(1)
        serai.kill_server()
        serai.start_server()

    def load() -> dict[str, int]:
        with serai.client() as client:
            try:
                return check_numbers(line["text"] for line in client.list_logs("paced", 1, LogQuery(page=10_000)))
            except SchedulerUnavailable:  # what is not collected yet is read from the scheduler, and cut as well
                return {}

    eventually(lambda: list(load().values()) == [total] * replicas, 40, 1.0)
    assert count_cuts(serai.data) > 0, "no connection was cut, so nothing was proved"
