"""A scheduler in memory with a machine room to show: nodes, GPUs, replicas in every phase, at a real address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from serai.domain.observation import (
    OTHER,
    GpuUnit,
    GpuUsage,
    NodeCapacity,
    NodeStatus,
    Observation,
    Phase,
    Replica,
    Usage,
)
from serai.domain.reasons import Reason
from serai.plugin import PluginContext, Scheduler, hookimpl
from serai.plugin.testing.fakes import FakeScheduler

GIB = 2**30
GPUS = ("A100", "A100", "A100", "A100")
Change = Callable[[Replica, int], Replica]


class Showcase(FakeScheduler):
    """A FakeScheduler whose answers are dressed up: `address` of all replicas, and what `dress` says of a workload."""

    def __init__(self, clock: Callable[[], object], address: str) -> None:
        super().__init__(clock)  # type: ignore[arg-type]
        self.address = address
        self.dresses: dict[str, Change] = {}
        self.waiting: dict[str, Reason] = {}
        self.gpus: dict[str, int] = {}

    def dress(self, workload: str, change: Change) -> None:
        """Let `change(replica, place)` have the last word about the live replicas of a workload."""
        at = self.clock()
        self.dresses[workload] = lambda replica, place: replace(change(replica, place), since=at)

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        return {id: self._dress(id, observation) for id, observation in super().observe(ids).items()}

    def usage(self, ids: Collection[str] | None = None) -> list[Usage]:
        return [self._use(sample, place) for place, sample in enumerate(super().usage(ids))]

    def capacity(self) -> list[NodeCapacity]:
        taken = ["chat-llm-v2", "chat-llm-v2", OTHER, ""]
        units = tuple(GpuUnit(f"gpu-{n}", "A100", 80 * GIB, taken[n]) for n in range(4))
        lost = GpuUnit("gpu-1", "L4", 24 * GIB, "chat-llm-v3", healthy=False, problem="fell off the bus")
        sick = (GpuUnit("gpu-0", "L4", 24 * GIB), lost)
        draining, gpu = NodeStatus.DRAINING, ("gpu", "dc1", "a100")
        return [
            NodeCapacity("cpu-01", 48.0, 17.5, 256 * GIB, 61 * GIB, pool="default", datacenter="dc1"),
            NodeCapacity("gpu-01", 64.0, 38.0, 512 * GIB, 301 * GIB, units, NodeStatus.READY, *gpu),
            NodeCapacity("gpu-02", 32.0, 4.0, 128 * GIB, 12 * GIB, sick, draining, "gpu", "dc1"),
        ]

    def _dress(self, id: str, observation: Observation) -> Observation:
        change: Change = self.dresses.get(id, lambda replica, place: replica)
        replicas = tuple(
            change(self._put(id, replica, place), place) if replica.live else replica
            for place, replica in enumerate(observation.replicas)
        )
        waiting = self.waiting.get(id, observation.waiting)
        if id in self.waiting:
            replicas = tuple(replica for replica in replicas if not replica.live)
        return replace(observation, replicas=replicas, waiting=waiting)

    def _put(self, id: str, replica: Replica, place: int) -> Replica:
        held = tuple(f"gpu-{place}" for _ in range(self.gpus.get(id, 0)))
        return replace(replica, address=self.address, node="gpu-01" if held else "cpu-01", gpus=held)

    def _use(self, sample: Usage, place: int) -> Usage:
        workload = sample.replica.rpartition(".")[0]
        gpus = tuple(
            GpuUsage(
                str(n), "A100", 71.0 - 9 * place, int((61 - place) * GIB), 80 * GIB, 62.0 - place, 285.0 - 20 * place
            )
            for n in range(self.gpus.get(workload, 0))
        )
        return replace(
            sample,
            cpu_user=0.9 - 0.05 * place,
            cpu_system=0.08,
            cpu_cores=4.0,
            memory_used_bytes=int((2.1 + 0.3 * place) * GIB),
            memory_total_bytes=8 * GIB,
            gpus=gpus,
        )


class ShowcasePlugin:
    """Registers one scheduler."""

    def __init__(self, scheduler: FakeScheduler) -> None:
        self.scheduler = scheduler

    @hookimpl
    def serai_register_scheduler(self, context: PluginContext) -> Scheduler:
        return self.scheduler


def at_phase(phase: Phase, reason: Reason | None = None) -> Change:
    """Return a change that holds replicas at a phase."""
    return lambda replica, place: replace(replica, phase=phase, ready=phase is Phase.READY, reason=reason)


def only_ready(count: int, phase: Phase, reason: Reason) -> Change:
    """Return a change that leaves `count` replicas ready and holds the others at a phase."""

    def change(replica: Replica, place: int) -> Replica:
        return replica if place < count else replace(replica, phase=phase, ready=False, reason=reason)

    return change
