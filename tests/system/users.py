"""Users who go on deploying, scaling, stopping and starting, whatever happens to the server."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from serai.domain.errors import SeraiError
from tests.system.deploying import put_folder
from tests.system.installation import Installation


class Users:
    """One user for each folder. `known` are the versions that each of them has ever seen, `done` counts what worked.

    After each call they rest for up to `pause_s`.
    """

    def __init__(self, serai: Installation, folders: dict[str, Path], seed: int, pause_s: float = 0.3) -> None:
        self._serai = serai
        self._folders = folders
        self._random = random.Random(seed)
        self._pause_s = pause_s
        self._stop = threading.Event()
        self.known: dict[str, set[int]] = {name: set() for name in folders}
        self.done = 0
        self._threads = [threading.Thread(target=self._work, args=(name,), daemon=True) for name in folders]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, name: str) -> None:
        while not self._stop.is_set():
            try:
                self._act(name)
                self.done += 1
            except SeraiError:
                pass  # the server is dead, or an answer was lost: the next call finds out
            time.sleep(self._random.uniform(0, self._pause_s))

    def _act(self, name: str) -> None:
        action = self._random.choice(["deploy", "deploy", "scale", "scale", "stop", "start"])
        with self._serai.client() as client:
            if action == "deploy":
                (self._folders[name] / "change").write_text(str(self._random.random()))
                put_folder(client, self._folders[name])
            elif action == "scale":
                client.change_deployment(name, {"count": self._random.randint(0, 3)})
            elif self.known[name]:
                call = client.stop_version if action == "stop" else client.start_version
                call(name, self._random.choice(sorted(self.known[name])))
            self.known[name] |= {version["number"] for version in client.get_deployment(name)["versions"]}
