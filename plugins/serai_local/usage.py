"""What replicas use: CPU as a rate between two looks, memory now, GPUs as the driver says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psutil

from serai.domain.observation import Usage

from .gpus import GpuInventory
from .machine import Machine
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

    def _is_due(self, replica: LocalReplica, now: float) -> bool:
        last = self._figures.get(replica.placed.id)
        return replica.is_begun and (last is None or now - last.at_s >= _LEAST_S)

    def _measure(self, replicas: Sequence[LocalReplica], now: float) -> None:
        children = _find_children()
        for replica in replicas:
            figures = _add_up(replica.report.pid, children, now)
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
        )
        if last is None:
            return usage
        elapsed_s = figures.at_s - last.at_s
        user = max(0.0, figures.user_s - last.user_s) / elapsed_s  # less only if a child's time was lost with it
        return replace(usage, cpu_user=user, cpu_system=max(0.0, figures.system_s - last.system_s) / elapsed_s)


def _find_children() -> dict[int, list[psutil.Process]]:
    """Return the processes of this machine by their parents."""
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            children.setdefault(process.ppid(), []).append(process)
    return children


def _add_up(shim: int, children: dict[int, list[psutil.Process]], now: float) -> _Figures:
    user_s = system_s = 0.0
    memory_bytes = 0
    with suppress(psutil.Error):
        times = psutil.Process(shim).cpu_times()
        user_s, system_s = _ended(times)
    for process in _below(shim, children):
        with suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            ended_user_s, ended_system_s = _ended(times)
            memory_bytes += process.memory_info().rss
            user_s, system_s = user_s + times.user + ended_user_s, system_s + times.system + ended_system_s
    return _Figures(now, user_s, system_s, memory_bytes)


def _ended(times: object) -> tuple[float, float]:
    """Return the CPU seconds of children that have ended and been waited for (not known on every system)."""
    return getattr(times, "children_user", 0.0), getattr(times, "children_system", 0.0)


def _below(root: int, children: dict[int, list[psutil.Process]]) -> Iterator[psutil.Process]:
    for process in children.get(root, ()):
        yield process
        yield from _below(process.pid, children)
