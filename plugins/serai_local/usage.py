"""What replicas use: CPU as a rate between two looks, memory now, disk of late, GPUs as the driver says."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from serai.domain.observation import Usage

from .folder_sizes import FolderSizes
from .gpus import GpuInventory
from .machine import Machine
from .processes import Process, list_processes
from .replica import LocalReplica

_LEAST_S = 1.0


@dataclass(frozen=True, slots=True)
class _Figures:
    """CPU seconds spent by a replica so far, by its ended children too, and its resident bytes, at a monotonic time."""

    at_s: float
    user_s: float
    system_s: float
    memory_bytes: int


class UsageMeter:
    """Samples when it is asked, at most once a second: nobody watching costs nothing.

    CPU is None in the first sample of a replica. Processes are found from the shim down, whose own use is left out.
    """

    def __init__(self, machine: Machine, gpus: GpuInventory) -> None:
        self._machine, self._gpus = machine, gpus
        self._lock = threading.Lock()
        self._sizes = FolderSizes()
        self._figures: dict[str, _Figures] = {}
        self._samples: dict[str, Usage] = {}

    def sample(self, replicas: Sequence[LocalReplica]) -> list[Usage]:
        """Return a sample of each replica that runs."""
        with self._lock:
            now = time.monotonic()
            due = [replica for replica in replicas if self._is_due(replica, now)]
            if due:
                self._measure(due, now)
            return [self._samples[r.placed.id] for r in replicas if r.placed.id in self._samples]

    def forget(self, live: set[str]) -> None:
        """Drop what is known of replicas that are not in `live`."""
        with self._lock:
            for id_ in self._samples.keys() - live:
                del self._samples[id_], self._figures[id_]
            self._sizes.forget(live)

    def _is_due(self, replica: LocalReplica, now: float) -> bool:
        last = self._figures.get(replica.placed.id)
        return replica.is_begun and (last is None or now - last.at_s >= _LEAST_S)

    def _measure(self, replicas: Sequence[LocalReplica], now: float) -> None:
        processes = list_processes()
        children: dict[int, list[int]] = {}
        for pid, process in processes.items():
            children.setdefault(process.parent, []).append(pid)
        for replica in replicas:
            figures = _add_up(replica.report.pid, processes, children, now)
            sample = self._make_sample(replica, figures)
            self._figures[replica.placed.id], self._samples[replica.placed.id] = figures, sample

    def _make_sample(self, replica: LocalReplica, figures: _Figures) -> Usage:
        placed, last = replica.placed, self._figures.get(replica.placed.id)
        usage = Usage(
            replica=placed.id,
            at=datetime.now(UTC),
            cpu_cores=placed.cores or float(self._machine.cores),
            memory_used_bytes=figures.memory_bytes,
            memory_total_bytes=placed.memory_bytes or self._machine.memory_bytes,
            gpus=tuple(self._gpus.usage(placed.gpus)) if placed.gpus else (),
            disk_used_bytes=self._sizes.measure(placed.id, replica.place.root, figures.at_s),
            restarts=replica.report.restarts,
        )
        if last is None:
            return usage
        elapsed_s = figures.at_s - last.at_s
        user = max(0.0, figures.user_s - last.user_s) / elapsed_s  # less only if a child's time was lost with it
        return replace(usage, cpu_user=user, cpu_system=max(0.0, figures.system_s - last.system_s) / elapsed_s)


def _add_up(shim: int, processes: Mapping[int, Process], children: Mapping[int, list[int]], now: float) -> _Figures:
    """Return what a shim's descendants use. What ended children used is in the times of those that waited for them."""
    user_s = system_s = 0.0
    memory_bytes = 0
    queue = [shim]
    while queue:
        pid = queue.pop()
        queue += children.get(pid, [])
        if process := processes.get(pid):
            user_s, system_s = user_s + process.ended_user_s, system_s + process.ended_system_s
            if pid != shim:
                user_s, system_s = user_s + process.user_s, system_s + process.system_s
                memory_bytes += process.memory_bytes
    return _Figures(now, user_s, system_s, memory_bytes)
