"""A scheduler in one file: each replica is a child process of the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from serai.domain.errors import NotSupported, SchedulerError
from serai.domain.observation import Observation, Phase, Replica, Workload
from serai.domain.reasons import make_reason
from serai.plugin import PluginContext, Scheduler, archive, hookimpl


@hookimpl
def serai_register_scheduler(context: PluginContext) -> Scheduler:
    return TinyScheduler(context)


class TinyScheduler(Scheduler):
    """Children move on when they are looked at, and Serai looks every few seconds."""

    def __init__(self, context: PluginContext) -> None:
        self._context, self._lock = context, threading.Lock()  # verbs come from several threads
        self._workloads: dict[str, Workload] = {}
        self._children: dict[str, list[Child]] = {}
        self._stopped: set[str] = set()

    def submit(self, workload: Workload) -> None:
        if workload.spec.image:
            raise NotSupported("serai_tiny runs no images; give a folder")
        with self._lock:
            self._workloads[workload.id] = workload
            self._stopped.discard(workload.id)
            children = self._children.setdefault(workload.id, [])
            alike = [c for c in children if c.replica.digest == workload.digest and c.kill_at_s is None]
            for child in [c for c in children if c not in alike[: workload.count]]:
                child.stop(workload.spec.drain_timeout_s)
            for _ in range(workload.count - len(alike)):
                children.append(self._start(workload))

    def stop(self, workload_id: str) -> None:
        with self._lock:
            if workload := self._workloads.get(workload_id):
                self._workloads[workload_id] = replace(workload, count=0)
                self._stopped.add(workload_id)
                for child in self._children[workload_id]:
                    child.stop(workload.spec.drain_timeout_s)

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        with self._lock:
            for id, children in self._children.items():
                self._children[id] = [child for child in children if child.step()]
            there = [id for id in self._workloads if self._children[id] or id not in self._stopped]
            return {id: self._look(self._workloads[id]) for id in there if ids is None or id in ids}

    def _look(self, workload: Workload) -> Observation:
        replicas = tuple(child.replica for child in self._children[workload.id])
        failed = next((replica.reason for replica in replicas if not replica.live), None)
        return Observation(workload.digest, workload.count, replicas, failed=failed)

    def _start(self, workload: Workload) -> Child:
        spec, id, now = workload.spec, f"{workload.id}-{os.urandom(4).hex()}", datetime.now(UTC)
        with socket.create_server(("127.0.0.1", 0)) as server:  # to find a free port
            port = spec.port or server.getsockname()[1]
        folder = self._context.data_dir / id
        if spec.bundle:
            archive.unpack(self._context.bundle_path(spec.bundle), folder)
        folder.mkdir(parents=True, exist_ok=True)
        shell = ["/bin/sh", "-c", spec.command or "./start.sh"] if isinstance(spec.command, str) else spec.command
        env = {**os.environ, **spec.env, **workload.env, "PORT": str(port), "SERAI_REPLICA": id}
        try:
            process = subprocess.Popen(shell, cwd=folder, env=env, start_new_session=True)
        except OSError as error:
            raise SchedulerError(f"{shell[0]!r} cannot be started: {error.strerror}") from error
        return Child(process, Replica(id, Phase.LOADING, True, False, workload.digest, now, now, f"127.0.0.1:{port}"))


@dataclass
class Child:
    """A replica and its process. One that ends by itself stays ended, and tells its exit code."""

    process: subprocess.Popen[bytes]
    replica: Replica
    kill_at_s: float | None = None  # time.monotonic(); set once it has to stop

    def step(self) -> bool:
        """Look at the process; return False once a stopped one has ended."""
        code = self.process.poll()
        if self.kill_at_s is None:
            self._enter(self._look() if code is None else Phase.ENDED, code)
        elif code is None and time.monotonic() >= self.kill_at_s:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.kill_at_s is None or code is None

    def stop(self, drain_timeout_s: float) -> None:
        if self.kill_at_s is None:
            self.kill_at_s = time.monotonic() + drain_timeout_s
            self._enter(Phase.STOPPING)
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGTERM)

    def _look(self) -> Phase:
        host, port = self.replica.address.split(":")
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=0.5):
            return Phase.READY
        return Phase.LOADING

    def _enter(self, phase: Phase, code: int | None = None) -> None:
        since = self.replica.since if phase is self.replica.phase else datetime.now(UTC)
        reason = None if code is None else make_reason("failed-replica", exit_code=code)
        ready = phase is Phase.READY
        self.replica = replace(self.replica, phase=phase, live=code is None, ready=ready, since=since, reason=reason)
