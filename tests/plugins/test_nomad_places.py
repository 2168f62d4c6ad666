"""Where an allocation is, and which jobs are woken when a device heals."""

from __future__ import annotations

from typing import Any

import pytest

from serai.domain.errors import NotFound
from serai_nomad.facts import ClusterFacts, DeviceGroup, DeviceInstance, Json, NodeFacts
from serai_nomad.watch.healing import blocked_on_devices, has_healed, healthy_devices
from serai_nomad.watch.ledger import KnownJob
from serai_nomad.watch.places import Place, Places, derive_place


def allocation(id: str = "a1", **fields: Any) -> Json:
    ports = [{"Label": "admin", "HostIP": "10.0.0.9", "Value": 1}, {"Label": "http", "HostIP": "10.0.0.9", "Value": 21}]
    tasks = {"server": {"Devices": [{"DeviceIDs": ["GPU-1", "GPU-2"]}]}, "install": {"Devices": None}}
    resources = {"Shared": {"Ports": ports}, "Tasks": tasks}
    return {"ID": id, "NodeName": "n1", "ClientStatus": "running", "AllocatedResources": resources} | fields


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (allocation(), Place("10.0.0.9:21", ("GPU-1", "GPU-2"))),
        (allocation(AllocatedResources=None), Place()),
        (allocation(AllocatedResources={"Shared": {"Ports": None}, "Tasks": None}), Place()),
        (
            allocation(AllocatedResources={"Shared": {"Ports": [{"Label": "http", "HostIP": "::1", "Value": 8}]}}),
            Place("[::1]:8", ()),
        ),
    ],
)
def test_derive_place(given: Json, place: Place) -> None:
    assert derive_place(given) == place


def test_places_are_fetched_once_and_forgotten_with_their_allocation() -> None:
    asked: list[str] = []

    def read(id: str) -> Json:
        asked.append(id)
        if id == "gone":
            raise NotFound("collected")
        return allocation(id)

    places = Places(read)
    rows = [
        {"ID": id, "ClientStatus": status} for id, status in (("a", "running"), ("gone", "pending"), ("x", "failed"))
    ]
    places.learn(rows)
    places.learn(rows)
    assert asked == ["a", "gone", "gone"], "an ended one needs no place, a known one is not asked for again"
    assert places.get("a").address == "10.0.0.9:21" and places.get("gone") == Place()
    places.keep(["b"])
    assert places.get("a") == Place()


def node(id: str, healthy: int, sick: int = 0, **fields: Any) -> NodeFacts:
    instances = tuple(DeviceInstance(f"{id}-{n}", n < healthy) for n in range(healthy + sick))
    values: dict[str, Any] = {
        "id": id, "name": id, "pool": "gpu", "datacenter": "dc1", "node_class": "", "status": "ready",
        "is_eligible": True, "is_draining": False, "mhz": 1, "cores": 1, "memory_mb": 1, "disk_mb": 1,
        "devices": (DeviceGroup("nvidia", "gpu", "A100", instances),),
    }  # fmt: skip
    return NodeFacts(**(values | fields))


@pytest.mark.parametrize(
    ("before", "after", "healed"),
    [
        (node("n", 1, 1), node("n", 2), True),
        (node("n", 2), node("n", 1, 1), False),
        (node("n", 1, 1), node("n", 1, 1), False),
        (node("n", 2, is_draining=True), node("n", 2), True),
        (node("m", 2), node("n", 1), True),
    ],
)
def test_has_healed(before: NodeFacts, after: NodeFacts, healed: bool) -> None:
    seen = [healthy_devices(ClusterFacts((one,))) for one in (before, after)]
    assert has_healed(*seen) is healed


def test_only_jobs_that_miss_devices_are_woken() -> None:
    missing = {"model": {"ConstraintFiltered": {"missing devices": 1}}}
    taken = {"model": {"DimensionExhausted": {"devices: no devices match request": 1}, "ConstraintFiltered": None}}
    evaluations: dict[str, Json] = {
        "missing-v1": {"Status": "blocked", "FailedTGAllocs": missing},
        "taken-v1": {"Status": "blocked", "FailedTGAllocs": taken},
        "over-v1": {"Status": "complete", "FailedTGAllocs": missing},
        "none-v1": {"Status": "blocked", "FailedTGAllocs": None},
    }
    jobs = [KnownJob(id, "d", 1, False, 0, 1, 1, evaluations=(e,)) for id, e in evaluations.items()]
    assert blocked_on_devices(jobs) == ["missing-v1"]
