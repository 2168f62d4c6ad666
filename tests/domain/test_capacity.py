"""The totals of GPUs: each GPU is counted once, and only what can be had counts as free."""

from __future__ import annotations

from serai.domain.capacity import GpuTotals, total_gpus
from serai.domain.observation import OTHER, GpuUnit, NodeCapacity, NodeStatus

GIB = 2**30


def make_node(name: str, *gpus: GpuUnit, status: NodeStatus = NodeStatus.READY) -> NodeCapacity:
    return NodeCapacity(name, 8.0, 0.0, 64 * GIB, 0, gpus, status)


def test_each_gpu_is_counted_once() -> None:
    big = 80 * GIB
    nodes = [
        make_node(
            "a", GpuUnit("1", "A100", big, "bert-v1"), GpuUnit("2", "A100", big, OTHER), GpuUnit("3", "A100", big)
        ),
        make_node("b", GpuUnit("4", "A100", big, "bert-v1", healthy=False), GpuUnit("5", "A100", big, healthy=False)),
        make_node("c", GpuUnit("6", "A100", big), GpuUnit("7", "A100", big, "bert-v1"), status=NodeStatus.DRAINING),
        make_node("d", GpuUnit("8", "L4"), status=NodeStatus.DOWN),
        make_node("e"),
    ]
    assert total_gpus(nodes) == (
        GpuTotals("A100", big, total=7, free=1, taken=3, unhealthy=2, away=1),
        GpuTotals("L4", None, total=1, free=0, taken=0, unhealthy=0, away=1),
    )


def test_sizes_of_one_model_are_told_apart() -> None:
    node = make_node("a", GpuUnit("1", "A100", 80 * GIB), GpuUnit("2", "A100", 40 * GIB))
    assert [(totals.memory_bytes, totals.free) for totals in total_gpus([node])] == [(40 * GIB, 1), (80 * GIB, 1)]
