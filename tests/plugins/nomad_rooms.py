"""Clusters for tests: a recorded one, and small ones made of words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serai_nomad.facts import ClusterFacts, DeviceGroup, DeviceInstance, Holding, NodeFacts
from serai_nomad.place.nodes import parse_cluster, parse_detail

HERE = Path(__file__).parent
GIB = 2**30


def load_recorded() -> dict[str, Any]:
    """Return the raw answers of the cluster of tests/live/test_live_places.py, which recorded them."""
    return dict(json.loads((HERE / "nomad_cluster.json").read_text()))


def load_cluster(detailed: bool = True) -> ClusterFacts:
    raw = load_recorded()
    details = {node["ID"]: parse_detail(node) for node in raw["details"]} if detailed else {}
    return parse_cluster(raw["nodes"], raw["allocations"], details)


def make_node(name: str, gpus: int = 0, sick: tuple[int, ...] = (), model: str = "A100", **more: Any) -> NodeFacts:
    """Return a ready node of 8 cores, 16 GiB and GPUs `<name>-<n>`; `sick` are the numbers of unhealthy ones."""
    units = tuple(DeviceInstance(f"{name}-{n}", n not in sick, "ECC error" if n in sick else "") for n in range(gpus))
    memory = {"memory": {"Int": 40960, "Unit": "MiB"}}
    values: dict[str, Any] = {
        "id": name, "name": name, "pool": "default", "datacenter": "dc1", "node_class": "", "status": "ready",
        "is_eligible": True, "is_draining": False, "mhz": 16000, "cores": 8, "memory_mb": 16384, "disk_mb": 100_000,
        "core_mhz": 2000, "drivers": frozenset({"docker"}), "is_detailed": True,
        "devices": (DeviceGroup("nvidia", "gpu", model, units, 40 * GIB, memory),) if gpus else (),
    }  # fmt: skip
    return NodeFacts(**(values | more))


def hold(job: str, node: str, *gpus: int, namespace: str = "models", model: str = "A100", **more: Any) -> Holding:
    """Return what a replica of `job` has on `node`: GPUs by number, and 100 MHz and 100 MiB unless said otherwise."""
    ids = {("nvidia", "gpu", model): tuple(f"{node}-{n}" for n in gpus)} if gpus else {}
    values = {"mhz": 100, "cores": 0, "memory_mb": 100} | more
    return Holding(f"{job}-{gpus}", job, namespace, node, device_ids=ids, **values)


def make_job(
    name: str = "asked-v1", count: int = 1, gpu: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a job in the namespace models that asks for docker, 100 MHz and 100 MiB unless said otherwise."""
    resources = {"CPU": more.pop("mhz", 100), "MemoryMB": more.pop("memory", 100)}
    devices = {"Devices": [dict(gpu)]} if gpu else {}
    task = {"Name": "server", "Driver": "docker", "Resources": resources | devices}
    group = {"Name": "model", "Count": count, "Tasks": [task]} | more.pop("group", {})
    return {"ID": name, "Namespace": "models", "Datacenters": ["*"], "TaskGroups": [group]} | more
