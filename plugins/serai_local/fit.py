"""Would a workload fit now: pure decisions on what the machine has and what is held."""

from __future__ import annotations

from collections.abc import Callable, Collection

from serai.domain.observation import Fit, GpuUnit, NodeCapacity, Verdict, Workload
from serai.domain.reasons import Reason, make_reason

from .machine import Machine, explain_taken_gpus, find_excess, find_refusal, matching_gpus
from .placement import gpu_holders
from .record import Placed


def derive_fit(
    workload: Workload,
    machine: Machine,
    live: Collection[Placed],
    freed: Collection[Placed],
    is_free: Callable[[int], bool],
) -> Fit:
    """Return how many replicas would fit beside `live`, when those `freed` have gone."""
    spec = workload.spec
    if never := find_refusal(spec) or find_excess(spec, machine):
        return Fit(Verdict.NEVER, 0, never)
    placeable, reason = workload.count, None
    if gpu := spec.resources.gpu:
        holders = gpu_holders(live)
        free = [device for device in matching_gpus(gpu, machine) if device.id not in holders]
        if len(free) // gpu.count < placeable:
            placeable, reason = len(free) // gpu.count, explain_taken_gpus(gpu, machine, holders)
    if spec.port is not None and (obstacle := _find_port_obstacle(spec.port, live, freed, is_free)):
        placeable, reason = 0, obstacle
    elif spec.port is not None and placeable > 1:
        placeable, reason = 1, make_reason("port-taken", f"One replica at a time can listen on port {spec.port}.")
    return Fit(Verdict.LATER if reason else Verdict.NOW, placeable, reason, (machine.node,) if placeable else ())


def _find_port_obstacle(
    port: int, live: Collection[Placed], freed: Collection[Placed], is_free: Callable[[int], bool]
) -> Reason | None:
    if holder := next((placed for placed in live if placed.port == port), None):
        return make_reason("port-taken", f"Port {port} is used by the replica {holder.id}.")
    if any(placed.port == port for placed in freed) or is_free(port):
        return None
    return make_reason("port-taken", f"Port {port} is used by another program.")


def derive_capacity(machine: Machine, live: Collection[Placed]) -> NodeCapacity:
    """Return the machine with what live replicas were promised."""
    holders = gpu_holders(live)
    return NodeCapacity(
        name=machine.node,
        cores=float(machine.cores),
        cores_taken=sum(placed.cores for placed in live),
        memory_bytes=machine.memory_bytes,
        memory_taken_bytes=sum(placed.memory_bytes or 0 for placed in live),
        gpus=tuple(GpuUnit(d.id, d.model, d.memory_bytes, holders.get(d.id, "")) for d in machine.gpus),
    )
