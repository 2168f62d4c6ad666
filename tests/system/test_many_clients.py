"""Many clients at once on one deployment: every answer is a clear one, and one version runs in the end."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from serai.domain.errors import Conflict, NotFound, SeraiError
from tests.system.deploying import put_folder
from tests.system.installation import Installation, make_model
from tests.waiting import eventually

pytestmark = pytest.mark.slow

CLIENTS, CALLS = 16, 12


def test_concurrent_calls_leave_one_running_version(serai: Installation, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "echo", "drain_timeout: 1s\n")
    for version in range(4):
        (folder / "change").write_text(str(version))
        with serai.client() as client:
            put_folder(client, folder)
    answers: Counter[str] = Counter()
    violations: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        with serai.client() as client:
            while not stop.wait(0.05):
                deployment = client.get_deployment("echo")
                states = {version["number"]: version["state"] for version in deployment["versions"]}
                running = [number for number, state in states.items() if state == "running"]
                if len(running) > 2:  # the serving one and the one it hands over to
                    violations.append(str(states))

    def call(seed: int) -> None:
        dice = random.Random(seed)
        with serai.client() as client:
            for _ in range(CALLS):
                number = dice.randint(1, 4)
                try:
                    dice.choice(
                        [
                            lambda: client.start_version("echo", number),  # noqa: B023
                            lambda: client.stop_version("echo", number),  # noqa: B023
                            lambda: client.change_deployment("echo", {"count": number - 1}),  # noqa: B023
                            lambda: client.delete_version("echo", number) if number == 1 else None,  # noqa: B023
                        ]
                    )()
                    answers["done"] += 1
                except (Conflict, NotFound) as error:
                    answers[error.code] += 1
                except SeraiError as error:
                    violations.append(f"{error.code}: {error.message}")

    watcher = threading.Thread(target=watch)
    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(CLIENTS)]
    watcher.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with serai.client() as client:
        client.start_version("echo", 4)
        client.change_deployment("echo", {"count": 2})

        def rested() -> bool:
            states = {v["number"]: v["state"] for v in client.get_deployment("echo")["versions"]}
            return states.pop(4) == "running" and set(states.values()) <= {"stopped", "error"}

        eventually(rested, 60, 0.2)
        stop.set()
        watcher.join()
        assert violations == []
        assert sum(answers.values()) == CLIENTS * CALLS
        assert set(answers) <= {"done", "version-active", "version-not-found"}
        eventually(lambda: client.get_deployment("echo")["versions"][0]["ready"] == 2, 30, 0.2)
    eventually(lambda: sum("model.py" in p.cmdline() for p in serai.model_processes()) == 2, 30, 0.2)
