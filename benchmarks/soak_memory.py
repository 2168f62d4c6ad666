"""Resident memory of every process of an installation, and whether it grows."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psutil

# Caches and pools fill up first; HAProxy's ring of records, 32 MiB, within minutes of a load.
_WARM_S, _LONG_WARM_S, _LONG_LIFE_S = 60.0, 300.0, 900.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """One process of a role at `at_s` (of any origin), so many seconds after its own start."""

    role: str
    pid: int
    at_s: float
    age_s: float
    resident_bytes: int


def take_samples(folder: Path) -> list[Sample]:
    """Return a sample of each process that works for the installation in `folder`."""
    samples = []
    for process in psutil.process_iter():
        try:
            role = find_role(process, str(folder))
            if role:
                age_s = time.time() - process.create_time()
                resident = process.memory_info().rss
                samples.append(Sample(role, process.pid, time.monotonic(), age_s, resident))
        except psutil.Error:
            continue
    return samples


def find_role(process: psutil.Process, folder: str) -> str:
    """Return what a process is for; empty where it belongs to something else."""
    if process.name() == "haproxy":
        parent = process.parent()
        is_worker = parent is not None and parent.name() == "haproxy"
        return ("haproxy worker" if is_worker else "haproxy master") if process.cwd().startswith(folder) else ""
    words = process.cmdline()
    if not any(word.startswith(folder) for word in words):
        return "model" if words[-1:] == ["model.py"] and process.cwd().startswith(folder) else ""
    if "-m" in words and "serai" in words:
        verb = words[words.index("serai") + 1]
        return {"up": "serai up", "server": "server", "gateway": "gateway agent"}.get(verb, "")
    return "shim" if "-I" in words else ""


def sum_up(samples: list[Sample]) -> list[dict[str, object]]:
    """Return a row for each role: medians of the first and the last quarter of the time, and the growth in a life.

    Growth is the slope within the lives of processes, each from its own beginning, without its first minute, or five
    minutes where one of the role lived for long.
    """
    rows = []
    by_role: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_role[sample.role].append(sample)
    begin, end = min(s.at_s for s in samples), max(s.at_s for s in samples)
    quarter_s = (end - begin) / 4
    for role, own in sorted(by_role.items()):
        warm_s = _LONG_WARM_S if max(s.age_s for s in own) > _LONG_LIFE_S else _WARM_S
        warm = [s for s in own if s.age_s > warm_s] or own
        first = [s.resident_bytes for s in warm if s.at_s <= begin + max(quarter_s, warm_s + 60)]
        last = [s.resident_bytes for s in warm if s.at_s >= end - quarter_s]
        rows.append(
            {
                "process": role,
                "lives": len({s.pid for s in own}),
                "longest life s": round(max(s.age_s for s in own)),
                "first quarter MiB": _median_mib(first or [s.resident_bytes for s in warm]),
                "last quarter MiB": _median_mib(last or [s.resident_bytes for s in own]),
                "most MiB": round(max(s.resident_bytes for s in own) / _MIB, 1),
                "growth MiB/h": round(_slope(warm) * 3600 / _MIB, 2),
            }
        )
    return rows


def _median_mib(values: list[int]) -> float:
    return round(statistics.median(values) / _MIB, 1)


def _slope(samples: list[Sample]) -> float:
    """Return bytes a second: one line through all lives, each moved to its own middle."""
    lives: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        lives[sample.pid].append(sample)
    above = below = 0.0
    for own in lives.values():
        age = statistics.fmean(s.age_s for s in own)
        size = statistics.fmean(s.resident_bytes for s in own)
        above += sum((s.age_s - age) * (s.resident_bytes - size) for s in own)
        below += sum((s.age_s - age) ** 2 for s in own)
    return above / below if below else 0.0
