"""Nodes, GPUs and room on a real cluster: what we count is what Nomad's own plan says, and the sentences are true."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from serai.domain.observation import OTHER, NodeStatus, Verdict
from serai_gpu.install import install
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import ClusterFacts, Json
from serai_nomad.place.capacity import derive_capacity
from serai_nomad.place.fit import derive_fit
from serai_nomad.place.funnel import explain_placement
from serai_nomad.place.nodes import HOLDING_FILTER, parse_cluster, parse_detail
from serai_nomad.settings import load_settings
from tests.live.cluster import Cluster
from tests.live.jobs import make_job
from tests.live.leftovers import make_folder
from tests.live.serai_server import NomadInstallation
from tests.system.installation import make_model
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("nomad-places"), pytest.mark.slow]

MEMORY_MB = 4096
SICK = "it fell off the bus"


class Room:
    """Three nodes: gpu-1 with two A100 and gpu-2 with an A100 and two T4 in the pool gpu, cpu-3 in the pool default.

    One T4 is unhealthy. bert-v1 has one A100 of gpu-1 and fills its memory to 3 GiB; a job of another namespace has a
    T4. cpu-3 has a fixed port in use.
    """

    def __init__(self, stack: ExitStack, folder: Path, nomad: Path) -> None:
        self.control = folder / "control"
        self.control.mkdir()
        (self.control / "GPU-sim-n2-1").write_text(SICK)
        gpu = {"node_pool": "gpu", "node_class": "a100", "host_volumes": {"weights": self.control}}
        clients = [
            gpu | self._simulate("n1", "A100-40GB:2"),
            gpu | self._simulate("n2", "A100-40GB:1", "T4:2"),
            {"node_class": "plain", "meta": {"zone": "b"}},
        ]
        plugin_dir = install(folder / "plugins").parent
        options = {"plugin_dir": plugin_dir, "memory_mb": MEMORY_MB, "exec": False}
        self.cluster = stack.enter_context(Cluster(folder, nomad, 1, clients, **options))
        self.namespace = stack.enter_context(self.cluster.api.namespace())
        self.others = stack.enter_context(self.cluster.api.namespace())
        settings = load_settings({"addresses": list(self.cluster.addresses), "namespace": self.namespace}, env={})
        self.api = stack.enter_context(closing(NomadApi(settings)))
        self._run("bert-v1", self.namespace, pool="gpu", gpu="nvidia/gpu/A100-40GB", node="client-1", memory=3072)
        self._run("secret-v1", self.others, pool="gpu", gpu="nvidia/gpu/T4", memory=64)
        self._run("fixed-v1", self.namespace, port=18_765, memory=64)

    def _simulate(self, node: str, *models: str) -> dict[str, Any]:
        config = {"mode": "simulated", "node": node, "control": str(self.control), "period": "200ms"}
        return {"plugins": {"serai-gpu": config | {"models": list(models)}}}

    def _run(self, name: str, namespace: str, **asked: Any) -> None:
        self.cluster.api.register(make_asking(name, **asked) | {"Namespace": namespace})
        self.cluster.api.wait_running(name, namespace=namespace)

    def make(self, *arguments: Any, **asked: Any) -> dict[str, Any]:
        return make_asking(*arguments, **asked) | {"Namespace": self.namespace}

    def raw(self) -> dict[str, Any]:
        nodes = self.api.list_nodes().rows
        details = [self.api.node(node["ID"]) for node in nodes]
        return {"nodes": nodes, "details": details, "allocations": self.api.list_all_allocations(HOLDING_FILTER).rows}

    def look(self) -> ClusterFacts:
        raw = self.raw()
        details = {node["ID"]: parse_detail(node) for node in raw["details"]}
        return parse_cluster(raw["nodes"], raw["allocations"], details)


def make_asking(name: str = "asked-v1", count: int = 1, **asked: Any) -> dict[str, Any]:
    """Return a job that asks for `gpu` (name), `gpus`, `model`, `vram`, `memory`, `mhz`, `cores`, `disk`, `port`,
    `pool`, `datacenters`, `where` (constraints), `node`, `driver`, `volume`, `writes`."""
    job = make_job(name, count=count, NodePool=asked.get("pool", "default"))
    job["Datacenters"] = asked.get("datacenters", ["*"])
    constraints = [{"LTarget": left, "Operand": op, "RTarget": right} for left, op, right in asked.get("where", ())]
    if node := asked.get("node"):
        constraints.append({"LTarget": "${node.unique.name}", "Operand": "=", "RTarget": node})
    job["Constraints"] = constraints
    group = job["TaskGroups"][0]
    task = group["Tasks"][0]
    task["Driver"] = asked.get("driver", "raw_exec")
    resources = task["Resources"] = {"CPU": asked.get("mhz", 20), "MemoryMB": asked.get("memory", 32)}
    if asked.get("cores"):
        resources["Cores"] = asked["cores"]
        del resources["CPU"]
    if "gpu" in asked:
        resources["Devices"] = [make_device(asked)]
    if "disk" in asked:
        group["EphemeralDisk"] = {"SizeMB": asked["disk"]}
    if "port" in asked:
        group["Networks"] = [{"Mode": "host", "ReservedPorts": [{"Label": "http", "Value": asked["port"]}]}]
    if "volume" in asked:
        group["Volumes"] = {"v": {"Type": "host", "Source": asked["volume"], "ReadOnly": not asked.get("writes")}}
    return job


def make_device(asked: dict[str, Any]) -> dict[str, Any]:
    constraints = []
    if "model" in asked:
        constraints.append({"LTarget": "${device.model}", "Operand": "regexp", "RTarget": f"(?i){asked['model']}"})
    if "vram" in asked:
        constraints.append({"LTarget": "${device.attr.memory}", "Operand": ">=", "RTarget": asked["vram"]})
    return {"Name": asked["gpu"], "Count": asked.get("gpus", 1), "Constraints": constraints}


@pytest.fixture(scope="module")
def room(nomad: Path) -> Iterator[Room]:
    with make_folder("places") as folder, ExitStack() as stack:
        yield Room(stack, folder, nomad)


GPU = {"gpu": "gpu", "pool": "gpu"}
T4 = {"gpu": "nvidia/gpu/T4", "pool": "gpu"}
ALONE = [("", "distinct_hosts", "true")]

# what is asked for, how many of how many find a place, the verdict, the code and words of the sentence
CASES: list[tuple[dict[str, Any], int, Verdict, str, list[str]]] = [
    ({}, 1, Verdict.NOW, "", []),
    ({**GPU, "count": 2, "model": "a100"}, 2, Verdict.NOW, "", []),
    (
        {**GPU, "count": 3, "model": "A100"},
        2,
        Verdict.LATER,
        "gpu-taken",
        ["the 2 nodes of the node pool gpu have", "none of 3 is free", "this version itself (2), bert-v1 (1)"],
    ),
    (
        {**GPU, "gpus": 2, "model": "A100"},
        0,
        Verdict.LATER,
        "gpu-taken",
        ["2 GPUs matching 'A100'", "1 of the 2 nodes of the node pool gpu has", "1 of 2 is free", "bert-v1 (1)"],
    ),
    (T4, 0, Verdict.LATER, "gpu-taken", ["1 more unhealthy", "held by others (1)"]),
    ({**T4, "gpus": 2}, 0, Verdict.LATER, "gpu-unhealthy", ["2 T4 GPUs: 1 of the 2 on client-2 is unhealthy", SICK]),
    ({**GPU, "vram": "80 GiB"}, 0, Verdict.NEVER, "gpu-missing", ["with at least 80 GiB", "3 A100-40GB, 2 T4"]),
    ({**GPU, "model": "H100"}, 0, Verdict.NEVER, "gpu-missing", ["matching 'H100'", "none of the 2 nodes"]),
    ({**GPU, "gpus": 3}, 0, Verdict.NEVER, "gpu-missing", ["at most 2 of one model"]),
    ({**GPU, "count": 7}, 2, Verdict.NEVER, "gpu-missing", ["no more than 5 replicas of 7"]),
    ({"gpu": "gpu"}, 0, Verdict.NEVER, "gpu-missing", ["no GPU at all", "client-1 (pool gpu"]),
    ({"gpu": "gpu", "pool": "all", "vram": "16 GiB"}, 1, Verdict.NOW, "", []),
    ({"memory": 5000}, 0, Verdict.NEVER, "too-large", ["4.88 GiB of memory", "client-3 has 4 GiB"]),
    ({"pool": "gpu", "memory": 5000}, 0, Verdict.NEVER, "too-large", ["none of the 2 nodes of the node pool gpu"]),
    ({"memory": 4050}, 0, Verdict.LATER, "no-capacity", ["3.94 GiB of 4 GiB of memory free", "fixed-v1 (64 MiB)"]),
    ({**GPU, "memory": 2048, "node": "client-1"}, 0, Verdict.LATER, "no-capacity", ["client-1", "bert-v1 (3 GiB)"]),
    ({"memory": 1800, "count": 3}, 2, Verdict.NEVER, "too-large", ["no more than 2 replicas of 3"]),
    ({"mhz": 900_000}, 0, Verdict.NEVER, "too-large", ["900000 MHz of CPU"]),
    ({"cores": 64}, 0, Verdict.NEVER, "too-large", ["64 whole cores"]),
    ({"disk": 90_000_000}, 0, Verdict.NEVER, "too-large", ["of disk"]),
    ({"driver": "docker"}, 0, Verdict.NEVER, "driver-missing", ["no working driver docker"]),
    ({"where": [("${meta.zone}", "=", "a")]}, 0, Verdict.NEVER, "no-match", ["${meta.zone} = a; there it is b"]),
    ({"where": [("${meta.zone}", "set_contains", "b")]}, 1, Verdict.NOW, "", []),
    ({"where": [("${attr.kernel.name}", "regexp", "^lin")]}, 1, Verdict.NOW, "", []),
    ({"where": [("${attr.kernel.name}", "!=", "linux")]}, 0, Verdict.NEVER, "no-match", ["!= linux"]),
    ({"where": [("${meta.nothing}", "is_not_set", "")]}, 1, Verdict.NOW, "", []),
    ({"where": [("${attr.cpu.numcores}", ">=", "1")]}, 1, Verdict.NOW, "", []),
    ({"where": [("${attr.nomad.version}", "semver", ">= 1.4.0")]}, 1, Verdict.NOW, "", []),
    ({"pool": "gpu", "where": [("${node.class}", "=", "b200")]}, 0, Verdict.NEVER, "no-match", ["there it is a100"]),
    ({"pool": "gpu", "count": 3, "where": ALONE}, 2, Verdict.NEVER, "too-large", ["2 replicas"]),
    ({"pool": "gpu", "volume": "weights"}, 1, Verdict.NOW, "", []),
    ({"volume": "weights"}, 0, Verdict.NEVER, "volume-missing", ["no host volume weights"]),
    ({"datacenters": ["dc2"]}, 0, Verdict.NEVER, "no-node", ["no node in dc2; its nodes are in dc1"]),
    ({"datacenters": ["dc*"]}, 1, Verdict.NOW, "", []),
    ({"port": 18_765}, 1, Verdict.NOW, "", []),  # the node has two addresses, of IPv4 and IPv6
    ({"port": 18_765, "count": 2}, 1, Verdict.LATER, "port-taken", ["18765", "fixed-v1 on client-3"]),
    ({"port": 18_766, "count": 3}, 2, Verdict.NEVER, "port-taken", ["no more than 2 replicas of 3"]),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "places", "verdict", "code", "words"), CASES, ids=[str(case[0]) for case in CASES])
def test_our_count_is_nomads(
    room: Room, asked: dict[str, Any], places: int, verdict: Verdict, code: str, words: list[str]
) -> None:
    job = room.make(**asked)
    plan = room.api.plan(job)
    cluster = room.look()
    fit = derive_fit(job, plan, cluster)
    told = fit.reason.text if fit.reason else ""
    assert (fit.placeable, fit.verdict, fit.reason.code if fit.reason else "") == (places, verdict, code), told
    assert [word for word in words if word not in told] == [], told
    alone = derive_fit(job, None, cluster)
    assert (alone.placeable, alone.verdict) == (places, verdict), "without the plan we count the same"
    assert bool(fit.nodes) == bool(places)


def test_a_pool_that_is_not_there_is_refused(room: Room) -> None:
    cluster = room.look()
    reason = explain_placement(make_asking(pool="nowhere"), {}, cluster)
    assert (reason.code, reason.text) == (
        "no-node",
        "The node pool nowhere has no node; there are nodes in: default, gpu.",
    )


def test_what_leaves_makes_room(room: Room) -> None:
    job = room.make(**GPU, gpus=2, model="A100")
    cluster, plan = room.look(), room.api.plan(job)
    fit = derive_fit(job, plan, cluster, ["bert-v1"])
    assert (fit.verdict, fit.placeable, fit.nodes) == (Verdict.NOW, 1, ("client-1",))
    assert derive_fit(job, plan, cluster, ["somebody-v1"]).placeable == 0
    other = derive_fit(room.make(pool="gpu", gpu="nvidia/gpu/T4"), None, cluster, ["secret-v1"])
    assert other.placeable == 0, "a job of that name in another namespace is not ours to stop"


def test_what_a_job_has_itself_does_not_stand_in_its_way(room: Room) -> None:
    job = room.make("bert-v1", **GPU, gpus=2, model="A100")
    assert derive_fit(job, None, room.look()).verdict is Verdict.NOW


def test_capacity_names_who_has_what(room: Room) -> None:
    nodes = derive_capacity(room.look(), room.namespace)
    assert [(node.pool, node.name) for node in nodes] == [
        ("default", "client-3"),
        ("gpu", "client-1"),
        ("gpu", "client-2"),
    ]
    units = {unit.id: unit for node in nodes for unit in node.gpus}
    assert sorted(unit.taken_by for unit in units.values() if unit.model == "A100-40GB") == ["", "", "bert-v1"]
    assert {unit.taken_by for unit in units.values() if unit.model == "T4"} == {"", OTHER}
    (sick,) = [unit for unit in units.values() if not unit.healthy]
    assert sick.problem == SICK
    assert all(unit.memory_bytes for unit in units.values())
    memory = {node.name: node.memory_taken_bytes // 2**20 for node in nodes}
    assert memory == {"client-1": 3072, "client-2": 64, "client-3": 64}
    assert all(0 < node.cores_taken < 1 for node in nodes)


def test_a_node_that_takes_no_work_is_told(room: Room) -> None:
    client = room.cluster.clients[2]
    room.cluster.set_eligible(client, False)
    try:
        job = room.make()
        fit = derive_fit(job, room.api.plan(job), room.look())
        assert fit.reason is not None
        assert (fit.verdict, fit.reason.code) == (Verdict.LATER, "no-node")
        assert "client-3 is not eligible for work" in fit.reason.text
        assert derive_capacity(room.look(), room.namespace)[0].status is NodeStatus.INELIGIBLE
    finally:
        room.cluster.set_eligible(client, True)


def test_a_gpu_that_falls_ill_or_vanishes_is_told(room: Room) -> None:
    job = room.make(pool="gpu", gpu="nvidia/gpu/A100-40GB", gpus=2)
    ill = room.control / "GPU-sim-n1-0"
    ill.write_text("ECC error")
    try:
        eventually(lambda: "gpu-unhealthy" in str(derive_fit(job, room.api.plan(job), room.look()).reason), 10)
        fit = derive_fit(job, room.api.plan(job), room.look())
        assert fit.reason is not None
        assert "ECC error" in fit.reason.text
    finally:
        ill.unlink()
    eventually(lambda: "gpu-taken" in str(derive_fit(job, room.api.plan(job), room.look()).reason), 10)


def test_a_recording_can_be_kept(room: Room) -> None:
    """With SERAI_RECORD=<file> keep what the table tests read; else only see that it holds no path of this machine."""
    text = json.dumps(trim(room.raw(), room.namespace, room.others), indent=1)
    assert str(room.control.parent) not in text
    if target := os.environ.get("SERAI_RECORD"):
        Path(target).write_text(text + "\n")


def trim(raw: dict[str, Any], namespace: str, others: str) -> Json:
    """Leave out paths, and name namespaces and the machine as on any other one."""
    for node in [*raw["nodes"], *raw["details"]]:
        for volume in (node.get("HostVolumes") or {}).values():
            volume["Path"] = "/srv/demo"
        for name in ("Events", "Links", "HTTPAddr", "SecretID", "HostNetworks"):
            with contextlib.suppress(KeyError):
                del node[name]
    return json.loads(json.dumps(raw).replace(namespace, "models").replace(others, "elsewhere"))  # type: ignore[no-any-return]


MANIFEST = """
resources: {memory: 64MiB, gpu: {count: 2, model: A100}}
placement: {pool: gpu}
"""


def test_a_server_tells_it_all_and_starts_what_waits(
    room: Room, serai_on: Callable[..., NomadInstallation], tmp_path: Path
) -> None:
    """Last, as it ends what the other tests look at: dry run, reason with funnel, capacity; then room, and it runs."""
    serai, folder = serai_on(room.cluster, room.namespace), make_model(tmp_path / "whisper", MANIFEST)
    trial = serai.run("deploy", str(folder), "--dry-run")
    assert trial.returncode == 4, trial.stderr
    assert "It does not fit now: no replica would get a place at once." in trial.stdout
    assert "1 of 2 is free: held by bert-v1 (1). It would fit if bert-v1 stopped." in trial.stdout
    assert serai.run("deploy", str(folder), "--detach").returncode == 0
    started = time.monotonic()
    eventually(lambda: ask_status(serai)["reason"]["code"] == "gpu-taken", 10)
    assert time.monotonic() - started < 5
    reason = ask_status(serai)["reason"]
    assert "held by bert-v1 (1)" in reason["text"]
    assert {"step": "with free GPUs", "nodes": 0} in reason["funnel"]
    table = " ".join(serai.run("capacity", "--pool", "gpu").stdout.split())
    assert "A100-40GB 40 GiB 3 2 1 - -" in table
    assert "T4 16 GiB 2 - 1 1 -" in table
    assert f"2 T4 16 GiB: 1 other, 1 unhealthy (GPU-sim-n2-1: {SICK})" in table
    room.cluster.api.delete("/v1/job/bert-v1", namespace=room.namespace)
    eventually(lambda: ask_status(serai)["state"] == "running", 30)
    eventually(lambda: "2 A100-40GB 40 GiB: 2 whisper-v1" in serai.run("capacity").stdout, 10, 0.5)
    assert serai.run("stop", "whisper").returncode == 0


def ask_status(serai: NomadInstallation) -> dict[str, Any]:
    return dict(json.loads(serai.run("status", "whisper", "--json").stdout))
