"""Numbered lines of a real model: kill -9 of the server, crashes of the model and rotation lose and double nothing."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system.installation import Installation, make_model
from tests.system.numbered import COUNTING, check_numbers
from tests.waiting import eventually

pytestmark = pytest.mark.slow

# The local scheduler keeps about 3,000 lines of a replica, those of 8 s: what was not collected in time is gone.
ROTATING = '[plugin.local]\nlog_file_size = "64 KiB"\nlog_files = 4\n'


@pytest.fixture
def rotating(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "serai", config=ROTATING)
    try:
        yield made.start()
    finally:
        made.close()


def load_texts(serai: Installation) -> list[str]:
    with serai.client() as client:
        return [line["text"] for line in client.list_logs("counting", 1)]


def test_numbered_lines_outlive_kills_crashes_and_rotation(rotating: Installation, tmp_path: Path) -> None:
    serai = rotating
    serai.deploy(make_model(tmp_path / "counting", code=COUNTING))
    for _ in range(3):
        time.sleep(1.5)
        serai.kill_server()
        serai.start_server()
    with suppress(urllib.error.URLError, OSError):
        serai.get("/counting/die")
    eventually(lambda: len(check_numbers(load_texts(serai))) >= 2, 30, 0.5)
    time.sleep(6)
    assert serai.run("stop", "counting").returncode == 0
    with serai.client() as client:
        eventually(lambda: client.get_deployment("counting")["state"] == "stopped", 30, 0.2)
    found = check_numbers(load_texts(serai))
    assert len(found) >= 2 and sum(found.values()) > 3000, found
    journal = list(serai.data.glob("plugins/local/**/0.log"))
    assert journal == [], "nothing was rotated away, so nothing was proved"
    folder = serai.data / "logs" / "counting" / "v1"
    eventually(lambda: not list(folder.glob("*/*.log")) and list(folder.glob("*/*.log.gz")), 20)  # all compressed
    serai.kill_server()
    serai.start_server()
    assert check_numbers(load_texts(serai)) == found
    assert serai.run("delete", "counting", "--all", "--yes").returncode == 0
    assert list((serai.data / "logs").glob("*/*")) == []
