"""A local scheduler with bundles, and the questions its tests share."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from serai.domain.errors import NotFound
from serai.domain.observation import Observation, Phase, Replica, Stream, Workload
from serai.domain.reasons import Reason
from serai.domain.spec import Spec
from serai_local.gpus import GpuInventory
from serai_local.scheduler import LocalScheduler
from serai_local.settings import LocalSettings
from tests.processes import find_processes
from tests.waiting import eventually

FAST = LocalSettings(backoff_s=0.05, max_backoff_s=0.2, memory_check_s=0.1)
PYTHON = f"{shlex.quote(sys.executable)} -I -S -u"
LISTEN = """
import os, socket, sys, time
def listen(port):
    server = socket.create_server(("127.0.0.1", port))
    server.listen()
    return server
"""
SERVE = f"""#!/bin/sh
exec {PYTHON} -m http.server --bind 127.0.0.1 $PORT
"""


def python(code: str) -> tuple[str, ...]:
    """Return the command that runs `code`, with `listen(port)` and some modules at hand."""
    return (sys.executable, "-I", "-S", "-u", "-c", LISTEN + code)


ON_PORT = "server = listen(int(os.environ['PORT']))\n"
SERVE_ON = ON_PORT + "time.sleep(99)"
WAITING = python(ON_PORT + "while True: server.accept()[0].close()")


def child_pids() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def bury_zombies() -> None:
    for child in psutil.Process().children():
        with suppress(psutil.Error, ChildProcessError):
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


@dataclass(slots=True)
class Stage:
    """`scheduler` in `folder`, and bundles beside it."""

    folder: Path
    settings: LocalSettings = FAST
    gpus: GpuInventory | None = None
    scheduler: LocalScheduler = field(init=False)
    is_reopened: bool = field(init=False)
    strangers: set[int] = field(default_factory=child_pids)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Start the server's side, again after `scheduler.close()`."""
        self.is_reopened = hasattr(self, "scheduler")
        self.scheduler = LocalScheduler(self.folder / "local", self.bundle_path, self.settings, self.gpus)

    def bundle_path(self, digest: str) -> Path:
        path = self.folder / digest.removeprefix("sha256:")
        if not path.exists():
            raise NotFound(f"no bundle {digest}", code="bundle-missing")
        return path

    def bundle(self, files: Mapping[str, str]) -> str:
        """Return the digest of a bundle of these files; `start.sh` is executable."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(text.encode()), 0o755 if name == "start.sh" else 0o644
                archive.addfile(info, io.BytesIO(text.encode()))
        return self.raw_bundle(buffer.getvalue())

    def raw_bundle(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / digest).write_bytes(data)
        return f"sha256:{digest}"

    def run(self, name: str = "model-v1", count: int = 1, run: int = 1, **spec: Any) -> Workload:
        """Submit a workload of this spec."""
        env = {"SERAI_DEPLOYMENT": name.rpartition("-v")[0], "SERAI_VERSION": "1", "SECRET": "hush"}
        workload = Workload(name, "model", 1, Spec(**spec), f"{hash(repr(spec)):x}-{run}", count, env)
        self.scheduler.submit(workload)
        return workload

    def serve(self, files: Mapping[str, str] | None = None, **spec: Any) -> Workload:
        """Submit a workload of a bundle, by default one that answers."""
        return self.run(bundle=self.bundle({"start.sh": SERVE} | dict(files or {})), **spec)

    def observe(self, workload: Workload) -> Observation:
        return self.scheduler.observe([workload.id])[workload.id]

    def live(self, workload: Workload) -> list[Replica]:
        seen = self.scheduler.observe([workload.id]).get(workload.id)
        return [replica for replica in seen.replicas if replica.live] if seen else []

    def the(self, workload: Workload) -> Replica:
        (replica,) = self.live(workload)
        return replica

    def ready(self, workload: Workload, timeout_s: float = 20.0) -> list[Replica]:
        def look() -> list[Replica]:
            live = self.live(workload)
            return live if len(live) == workload.count and all(replica.ready for replica in live) else []

        return eventually(look, timeout_s)

    def reason(self, workload: Workload, is_it: Callable[[Replica, Reason], bool], timeout_s: float = 20.0) -> Reason:
        """Wait for a live replica whose reason is as asked for, and return the reason."""

        def look() -> Reason | None:
            for replica in self.live(workload):
                if replica.reason and is_it(replica, replica.reason):
                    return replica.reason
            return None

        found = eventually(look, timeout_s)
        assert found
        return found

    def stop(self, workload: Workload, timeout_s: float = 20.0) -> None:
        self.scheduler.stop(workload.id)
        eventually(lambda: not self.live(workload), timeout_s)

    def texts(self, workload: Workload, replica: str, stream: Stream | None = None) -> list[str]:
        return [line.text for line in self.scheduler.logs(workload.id, replica, stream)]

    def place(self, workload: Workload, replica: str) -> Path:
        return self.folder / "local" / "workloads" / workload.id / "replicas" / replica

    def processes(self, replica: str = "") -> list[psutil.Process]:
        """Return what runs of our replicas, by the mark in the environment; shims are not among it."""
        folder = str(self.folder / "local")
        return find_processes(lambda process: _is_marked(process, folder, replica))

    def shims(self) -> list[psutil.Process]:
        folder = str(self.folder / "local")
        return find_processes(lambda process: _is_shim_of(process, folder))

    def clear(self) -> None:
        """Stop everything, check that nothing is left of it, not even a zombie, and close."""
        for id_ in self.scheduler.observe():
            self.scheduler.stop(id_)
        eventually(lambda: not self._live_ids(), 20)
        eventually(lambda: not self.shims() and not self.processes(), 10)
        eventually(self._is_childless, 5)
        self.scheduler.close()

    def _is_childless(self) -> bool:
        self.scheduler.observe([])
        if self.is_reopened:  # shims of a closed scheduler are nobody's but init's, which is us here
            bury_zombies()
        return child_pids() <= self.strangers

    def _live_ids(self) -> list[str]:
        seen = self.scheduler.observe().values()
        return [replica.id for one in seen for replica in one.replicas if replica.phase is not Phase.ENDED]


def _is_marked(process: psutil.Process, folder: str, replica: str) -> bool:
    env = process.environ()
    is_ours = env.get("SERAI_REPLICA_DIR", "").startswith(folder) and process.pid != os.getpid()
    return is_ours and env.get("SERAI_REPLICA", "").startswith(replica)


def _is_shim_of(process: psutil.Process, folder: str) -> bool:
    line = process.cmdline()
    return len(line) == 5 and line[3].endswith("shim") and line[4].startswith(folder)
