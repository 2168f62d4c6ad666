"""A whole server on a real socket with scenes to look at: real store, real reconciler, a scripted scheduler."""

from __future__ import annotations

import math
import os
import random
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask

from serai.app.compose import compose
from serai.config import Configuration
from serai.domain.manifest import parse_manifest
from serai.domain.observation import GpuUsage, Usage
from serai.plugin import Permission
from serai.store.metrics import take_windows
from serai.store.tokens import create_token
from serai.store.usage import take_usage
from serai.web.app import make_app
from serai.web.serve import Server, make_server
from tests.ports import free_port
from tests.ui.showcase import Showcase, ShowcasePlugin
from tests.ui.traffic import Stretch, make_hour
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


class Moment:
    """The real time, shifted by as much as a test likes."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Stage:
    """A server at `url`; `tick` is the only thing that moves what it runs. Replicas answer at `model_address`."""

    def __init__(self, folder: Path, model_address: str = "127.0.0.1:9", plugins: Mapping[str, object] | None = None):
        self.folder = folder
        self.clock = Moment()
        self.scheduler = Showcase(self.clock, model_address)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.gateway_port = free_port()
        self.gateway_url = f"http://127.0.0.1:{self.gateway_port}"
        configuration = Configuration(
            data=folder / "data", plugins=(), scheduler="showcase", trace_url="https://tracer.example/{trace_id}"
        )
        extra = [("showcase", ShowcasePlugin(self.scheduler)), *(plugins or {}).items()]
        self.composition = compose(
            configuration, self.url, self.gateway_url, extra, self.clock, lambda: self.clock().timestamp()
        )
        self.core = self.composition.core
        self.app: Flask = make_app(self.core)
        self.server: Server | None = None
        self.thread: threading.Thread | None = None
        self.token = self.make_token("ada", Permission.ADMIN)
        self.composition.reconciler.tick()

    # the server

    def open(self) -> None:
        """Serve, on the same port as before."""
        port = int(self.url.rpartition(":")[2])
        if self.listener.fileno() < 0:
            self.listener = socket.create_server(("127.0.0.1", port))
            self.app = make_app(self.core)
        self.server = make_server(self.app, self.listener, 24)
        self.thread = threading.Thread(target=self.server.run, name="server")
        self.thread.start()

    def shut(self) -> None:
        """Stop serving; everything else goes on."""
        assert self.server
        assert self.thread
        self.server.close()
        self.thread.join(15)
        assert not self.thread.is_alive()
        self.listener.close()

    def close(self) -> None:
        self.composition.close()

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """Run the real gateway as a process; yield its address."""
        token_file = self.folder / "gateway.token"
        token_file.write_text(self.make_token("gate", Permission.GATEWAY))
        env = {key: value for key, value in os.environ.items() if not key.startswith("SERAI_")}
        command = [sys.executable, "-m", "serai", "gateway", "--server", self.url, "--token-file", str(token_file),
                   "--data", str(self.folder / "gateway"), "--port", str(self.gateway_port)]  # fmt: skip
        with (self.folder / "gateway.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=env)
        try:
            eventually(self._gateway_answers, 30)
            yield self.gateway_url
        finally:
            process.terminate()
            process.wait(15)

    def _gateway_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.gateway_url}/-/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    # what happens

    def make_token(self, login: str, *permissions: Permission) -> str:
        return create_token(self.core.db, f"{login}'s", login, frozenset(permissions), self.clock())[1]

    def tick(self, times: int = 4) -> None:
        for _ in range(times):
            self.composition.reconciler.tick()
        workloads = {r.id: w for w, seen in self.core.cluster.observed() for r in seen.replicas}
        self.core.cluster.note_usage(self.scheduler.usage(), workloads)

    def deploy(self, name: str, **values: object) -> int:
        """Deploy an image and return the number of the version that is active then; nothing has moved yet."""
        manifest = parse_manifest({"name": name, "image": f"registry.local/{name}:1"} | values)
        return self.core.lifecycle.deploy(manifest, "ada").view.deployment.active or 0

    def say(self, workload: str, *texts: str, place: int = 0) -> None:
        """Let a live replica write lines."""
        live = [r for r in self.scheduler.observe([workload])[workload].replicas if r.live]
        for text in texts:
            self.scheduler.say(workload, live[place].id, text)

    def measure(
        self, name: str, per_minute: float, median_s: float, seed: int = 1, stretches: Sequence[Stretch] = ()
    ) -> None:
        """Fill the last hour with requests; of one replica of version 1 where `stretches` does not say more."""
        whole = stretches or (Stretch(1, f"{name}-v1.1", range(61)),)
        take_windows(self.core.metrics, make_hour(name, self.clock(), per_minute, median_s, whole, seed))

    def sample(self, minutes: int, gap: range = range(0)) -> None:
        """Fill the last minutes with samples of what runs, but for the minutes of `gap`, counted back from now."""
        workload_of = {r.id: w for w, seen in self.core.cluster.observed() for r in seen.replicas}
        chance = random.Random(7)
        samples = [
            _sway(sample, self.clock() - timedelta(seconds=10 * ago), ago, chance)
            for ago in range(minutes * 6, 0, -1)
            if ago // 6 not in gap
            for sample in self.scheduler.usage()
        ]
        take_usage(self.core.metrics, samples, workload_of)


def _sway(sample: Usage, at: datetime, step: int, chance: random.Random) -> Usage:
    """Return a sample as it may have been then: busier at times."""
    wave = 0.6 + 0.4 * math.sin(step / 40) + chance.uniform(-0.1, 0.1)
    gpus = tuple(_sway_gpu(gpu, wave) for gpu in sample.gpus)
    memory = round((sample.memory_used_bytes or 0) * (0.9 + 0.1 * wave))
    return replace(sample, at=at, cpu_user=(sample.cpu_user or 0.0) * wave, memory_used_bytes=memory, gpus=gpus)


def _sway_gpu(gpu: GpuUsage, wave: float) -> GpuUsage:
    """Return a GPU that is hotter and takes more power the more it does."""
    return replace(
        gpu,
        util=max(0.0, (gpu.util or 0.0) * wave),
        temperature_c=(gpu.temperature_c or 0.0) * (0.75 + 0.25 * wave),
        power_w=(gpu.power_w or 0.0) * (0.4 + 0.6 * wave),
    )
