"""What the GPUs of all machines come to, model by model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .observation import GpuUnit, NodeCapacity, NodeStatus


class GpuState(StrEnum):
    """AWAY: nobody has it, but its machine takes no replicas."""

    FREE = "free"
    TAKEN = "taken"
    UNHEALTHY = "unhealthy"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class GpuTotals:
    """GPUs of one model and size; each is counted in one of free, taken, unhealthy and away."""

    model: str
    memory_bytes: int | None
    total: int
    free: int
    taken: int
    unhealthy: int
    away: int


def find_gpu_state(gpu: GpuUnit, node: NodeCapacity) -> GpuState:
    """Return the one state of a GPU: what is unhealthy is that first, whoever has it."""
    if not gpu.healthy:
        return GpuState.UNHEALTHY
    if gpu.taken_by:
        return GpuState.TAKEN
    return GpuState.FREE if node.status is NodeStatus.READY else GpuState.AWAY


def total_gpus(nodes: Iterable[NodeCapacity]) -> tuple[GpuTotals, ...]:
    """Return the totals by model and memory, in the order of the models' names."""
    counts: dict[tuple[str, int], Counter[GpuState]] = {}
    for node in nodes:
        for gpu in node.gpus:
            counts.setdefault((gpu.model, gpu.memory_bytes or 0), Counter())[find_gpu_state(gpu, node)] += 1
    return tuple(_make_totals(model, memory, counts[model, memory]) for model, memory in sorted(counts))


def _make_totals(model: str, memory_bytes: int, count: Counter[GpuState]) -> GpuTotals:
    return GpuTotals(
        model,
        memory_bytes or None,
        count.total(),
        count[GpuState.FREE],
        count[GpuState.TAKEN],
        count[GpuState.UNHEALTHY],
        count[GpuState.AWAY],
    )
