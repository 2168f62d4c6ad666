"""kill -9 of the server at random moments of deploys, scales and stops: nothing is lost, doubled or left behind.

`SERAI_KILLS=200` runs the long form.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.system.installation import Installation, make_model
from tests.system.load import Load
from tests.system.users import Users
from tests.waiting import eventually

KILLS = int(os.environ.get("SERAI_KILLS", "5"))
NAMES = ("one", "two")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 10 * KILLS)]


def test_a_server_killed_again_and_again_loses_nothing(serai: Installation, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    serai.deploy(make_model(tmp_path / "steady", "replicas: 2\n"))
    folders = {name: make_model(tmp_path / name, "drain_timeout: 2s\n") for name in NAMES}
    for folder in folders.values():
        serai.deploy(folder)
    users, load = Users(serai, folders, seed, pause_s=1.0), Load(serai.gateway, "/steady/", threads=2, pause_s=0.05)
    with load.running():
        users.start()
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 2.5))
            serai.kill_server()
            serai.start_server()
        users.stop()
    assert load.failures == []
    assert users.done > KILLS / 4
    check_everything_came_to_rest(serai, users)


def check_everything_came_to_rest(serai: Installation, users: Users) -> None:
    """What is wanted is there, nothing else is, and no version that was ever seen is missing."""
    with serai.client() as client:
        for name, known in users.known.items():
            answer = eventually(lambda name=name: _rested(serai, name), 90, 0.5)
            assert known <= {version["number"] for version in answer["versions"]}
        wanted = 2
        for name in users.known:
            answer = client.get_deployment(name)
            wanted += answer["count"] if answer["active"] else 0
        eventually(lambda: len(_models(serai)) == wanted, 30, 0.5)
    assert len(_shims(serai)) == wanted


def _rested(serai: Installation, name: str) -> dict[str, object] | None:
    with serai.client() as client:
        answer = client.get_deployment(name)
    states = [version["state"] for version in answer["versions"]]
    moving = {"preparing", "shutting_down"} & set(states)
    running = [version for version in answer["versions"] if version["state"] == "running"]
    settled = not moving and len(running) <= 1
    complete = not running or running[0]["ready"] == running[0]["wanted"]
    return answer if settled and complete else None  # type: ignore[return-value]


def _models(serai: Installation) -> list[int]:
    return [p.pid for p in serai.model_processes() if "model.py" in p.cmdline()]


def _shims(serai: Installation) -> list[int]:
    return [p.pid for p in serai.model_processes() if "model.py" not in p.cmdline()]
