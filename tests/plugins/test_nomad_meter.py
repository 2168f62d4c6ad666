"""Which replicas are measured, and how often: each of a few, in turns of many, none of a node that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serai.domain.errors import SchedulerError
from serai_nomad.facts import ClusterFacts, NodeFacts
from serai_nomad.watch import meter
from serai_nomad.watch.ledger import Ledger
from serai_nomad.watch.meter import Meter
from serai_nomad.watch.places import Places
from tests.plugins.nomad_stand_in import Heard, Said, StandIn, talking
from tests.plugins.nomad_tables import OURS, Tables


class Stage:
    """Tables with statistics: `figures` is the memory that each replica uses, `silent` are nodes that do not answer."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.tables.register("m-v1", count=5)
        self.figures: dict[str, int] = {}
        self.silent: set[str] = set()
        self.measured: list[str] = []
        self.clusters = 0
        self.meter: Meter

    def place(self, id: str, node: str = "n1") -> None:
        resources = {"Tasks": {"server": {"Cpu": {"CpuShares": 500}, "Memory": {"MemoryMB": 1}}}}
        self.tables.place("m-v1", id, NodeID=node, AllocatedResources=resources)
        self.figures[id] = 100

    def answer(self, heard: Heard) -> Said:
        if not heard.path.endswith("/stats"):
            return self.tables.answer(heard)
        id = heard.path.split("/")[-2]
        self.measured.append(id)
        if self.tables.allocations[id]["NodeID"] in self.silent:
            return Said(500, "No path to node")
        if self.tables.broken:
            return Said(403, "Permission denied")
        used = {"MemoryStats": {"Measured": ["RSS"], "RSS": self.figures[id]}, "CpuStats": {}}
        stamp = 10**18 + self.figures[id]
        return Said(body={"ResourceUsage": used, "Timestamp": stamp, "Tasks": {}})

    def cluster(self) -> ClusterFacts:
        self.clusters += 1
        values: dict[str, Any] = {
            "id": "n1", "name": "n1", "pool": "", "datacenter": "", "node_class": "", "status": "ready",
            "is_eligible": True, "is_draining": False, "mhz": 4000, "cores": 4, "memory_mb": 1, "disk_mb": 1,
        }  # fmt: skip
        return ClusterFacts((NodeFacts(**values),))

    def sample(self, ids: list[str] | None = None) -> dict[str, int | None]:
        self.measured.clear()
        return {usage.replica: usage.memory_used_bytes for usage in self.meter.sample(ids)}


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    with StandIn(stage.answer) as agent, talking(agent) as api, ThreadPoolExecutor(1) as pool:
        for id in "abc":
            stage.place(id)
        places = Places(api.allocation)
        ledger = Ledger(api, OURS, pool, places)
        ledger.sweep()
        stage.meter = Meter(api, ledger, places, stage.cluster, pool)
        yield stage


def test_each_of_a_few_is_measured_each_time_and_the_cluster_read_once_for_each(stage: Stage) -> None:
    for _ in range(2):
        assert stage.sample() == {"a": 100, "b": 100, "c": 100}
        assert sorted(stage.measured) == ["a", "b", "c"]
    assert stage.clusters == 3
    usage = stage.meter.sample(None)[0]
    assert (usage.cpu_cores, usage.memory_total_bytes) == (0.5, 2**20)
    assert stage.sample(["m-v1"]) == stage.sample() and stage.sample(["other-v1"]) == {}


def test_of_many_each_has_its_turn_and_keeps_its_last_sample_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "AT_MOST", 2)
    assert stage.sample() == {"a": 100, "b": 100}
    stage.figures = {"a": 200, "b": 200, "c": 200}
    assert stage.sample() == {"a": 200, "b": 100, "c": 200}, "c comes first, as it was never measured"
    assert stage.sample() == {"a": 200, "b": 200, "c": 200}
    assert stage.sample(["m-v1"]) and len(stage.measured) == 3, "who asks for some gets them all"


def test_a_node_that_does_not_answer_is_asked_once_and_has_no_figures(stage: Stage) -> None:
    stage.sample()
    stage.silent = {"n1"}
    assert stage.sample() == {} and len(stage.measured) == 1
    stage.silent = set()
    assert len(stage.sample()) == 3


def test_a_right_that_is_missing_is_said(stage: Stage) -> None:
    stage.tables.broken = "client"
    with pytest.raises(SchedulerError, match="denied"):
        stage.sample()
