"""What a replica uses, from Nomad's statistics of its allocation: only what was measured, never 0 for unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from serai.domain.observation import Usage
from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import Json, NodeFacts
from serai_nomad.names import TASK

from .gpu_usage import derive_gpus

# A client takes its first sample within one collection interval, which is rarely longer than this.
_FIRST_SAMPLE = timedelta(seconds=30)
# The rate of the first sample, which has none before it to be compared with, is given as 0.
_WARM_UP = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a replica may use: cores and disk it has been promised, bytes it is ended beyond. None is not known."""

    cpu_cores: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None


def derive_usage(
    replica: str,
    stats: Json,
    limits: Limits = Limits(),
    started_at: datetime | None = None,
    restarts: int | None = None,
) -> Usage | None:
    """Return a replica's newest sample, None where there is none (yet).

    | driver | CPU | memory |
    |---|---|---|
    | raw_exec | user, system | RSS |
    | exec | user, system | Usage |
    | docker | their sum as `cpu_user`, with `cpu_system` None: Nomad measures no split | Usage |

    What a replica's files take Nomad does not tell. `at` tells samples apart. A CPU of exactly 0 within seconds of
    `started_at` is not known: it is the first sample's.
    """
    task = ((stats.get("Tasks") or {}).get(TASK)) or {}
    stamp = int(task.get("Timestamp") or stats.get("Timestamp") or 0)
    if not stamp:
        return None
    used = task.get("ResourceUsage") or stats.get("ResourceUsage") or {}
    at = datetime.fromtimestamp(stamp / 1e9, UTC)
    user, system = _read_cpu(used.get("CpuStats") or {})
    if not user and not system and started_at is not None and at - started_at < _WARM_UP:
        user, system = None, None
    return Usage(
        replica=replica,
        at=at,
        cpu_user=user,
        cpu_system=system,
        cpu_cores=limits.cpu_cores,
        memory_used_bytes=_read_memory(used.get("MemoryStats") or {}),
        memory_total_bytes=limits.memory_bytes,
        gpus=derive_gpus(stats, at),
        disk_total_bytes=limits.disk_bytes,
        restarts=restarts,
    )


def is_unpublished(stats: Json, running_for: timedelta) -> bool:
    """Tell whether the replica's node publishes no statistics: it has run for long enough, and there is no sample.

    Then `telemetry { publish_allocation_metrics = true }` is missing in the client's configuration.
    """
    has_sample = bool(stats.get("Timestamp")) or bool(stats.get("Tasks"))
    return not has_sample and running_for >= _FIRST_SAMPLE


def explain_unpublished(node: str) -> Reason:
    return make_reason("statistics-missing", f"Node {node} does not publish what replicas use.")


def derive_limits(allocated: Json, node: NodeFacts | None = None, task: str = TASK) -> Limits:
    """Return the limits in an allocation's AllocatedResources; MHz become cores of `node`."""
    resources = (allocated.get("Tasks") or {}).get(task) or {}
    cpu, memory = resources.get("Cpu") or {}, resources.get("Memory") or {}
    megabytes = int(memory.get("MemoryMaxMB") or 0) or int(memory.get("MemoryMB") or 0)
    disk = int((allocated.get("Shared") or {}).get("DiskMB") or 0)
    return Limits(_read_cores(cpu, node), _in_bytes(megabytes), _in_bytes(disk))


def _in_bytes(megabytes: int) -> int | None:
    return megabytes * 1024 * 1024 if megabytes > 0 else None


def _read_cores(cpu: Json, node: NodeFacts | None) -> float | None:
    if reserved := cpu.get("ReservedCores"):
        return float(len(reserved))
    mhz = int(cpu.get("CpuShares") or 0)
    if not mhz or node is None or not node.mhz or not node.cores:
        return None
    return mhz * node.cores / node.mhz


def _read_cpu(stats: Json) -> tuple[float | None, float | None]:
    """Return user and system, of one core; their sum and None where Nomad does not tell them apart."""
    measured = stats.get("Measured") or ()
    if "User Mode" in measured and "System Mode" in measured:
        return _share(stats.get("UserMode")), _share(stats.get("SystemMode"))
    return (_share(stats.get("Percent")) if "Percent" in measured else None), None


def _share(percent: Any) -> float | None:
    return max(0.0, float(percent)) / 100 if percent is not None else None


def _read_memory(stats: Json) -> int | None:
    """Return what counts against the limit: Usage where it is measured (with the cache), else RSS."""
    measured = stats.get("Measured") or ()
    name = next((name for name in ("Usage", "RSS") if name in measured), None)
    return int(stats.get(name) or 0) if name else None
