"""Why a model finds no place, said within 5 s of Nomad knowing. On an agent with simulated GPUs and ACLs.

Its node is small: 4 GiB, 4000 MHz, two A100 and a T4, and no docker.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from serai.domain.errors import SchedulerError
from serai_gpu.install import install
from tests.live.agent import Agent, make_dev_agent
from tests.live.jobs import make_job
from tests.live.leftovers import make_folder
from tests.live.witness import Witness, open_witness
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nomad-reasons")]

A100, T4 = "nvidia/gpu/A100-40GB", "nvidia/gpu/T4"


@pytest.fixture(scope="module")
def small(nomad: Path) -> Iterator[Agent]:
    with make_folder("small") as folder:
        simulation = {"mode": "simulated", "node": "n", "control": str(folder / "control"), "period": "200ms"}
        with make_dev_agent(
            folder,
            nomad,
            acl=True,
            memory_mb=4096,
            node_class="small",
            plugin_dir=install(folder / "plugins").parent,
            plugins={"serai-gpu": simulation | {"models": ["A100-40GB:2", "T4:1"]}},
            extra={"client": {"cpu_total_compute": 4000}},
        ) as agent:
            yield agent


@pytest.fixture(scope="module")
def bench(small: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    names = {small.name: "gpu-1", sys.executable: "python3", str(small.folder): "/opt/nomad"}
    with open_witness(small, tmp_path_factory.mktemp("places"), names) as made:
        yield made


def gpus(count: int, device: str = "", **more: Any) -> dict[str, Any]:
    return {"resources": {"memory": "64MiB", "gpu": {"count": count} | ({"device": device} if device else {}) | more}}


CASES: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("gpu-model", gpus(1, model="H100"), "gpu-missing", ("matching 'H100'", "2 A100-40GB, 1 T4")),
    ("gpu-count", gpus(3), "gpu-missing", ("at most 2 of one model",)),
    ("memory-ever", {"resources": {"memory": "6GiB"}}, "too-large", ("6 GiB of memory", "node-1 has 4 GiB")),
    ("cpu-ever", {"resources": {"cpu": "9000MHz"}}, "too-large", ("9000 MHz", "4000 MHz")),
    ("constraint", {"placement": {"constraints": ["${meta.zone} = b"]}}, "no-match", ("${meta.zone} = b",)),
    ("class", {"placement": {"constraints": ["${node.class} = large"]}}, "no-match", ("there it is small",)),
    ("datacenter", {"placement": {"datacenters": ["dc9"]}}, "no-node", ("no node in dc9; its nodes are in dc1",)),
    ("driver", {"image": "whisper:7"}, "driver-missing", ("no working driver docker",)),
    (
        "volume",
        {"driver": "exec", "mounts": [{"volume": "weights", "path": "/weights"}]},
        "volume-missing",
        ("no host volume weights",),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "asked", "code", "words"), CASES, ids=[case[0] for case in CASES])
def test_what_can_never_be_had(
    bench: Witness, small: Agent, name: str, asked: dict[str, Any], code: str, words: tuple[str, ...]
) -> None:
    job = bench.submit(name, **asked)
    bench.know_blocked(job)
    reason = bench.hear(job, code, *(word.replace("node-1", small.name) for word in words))
    assert reason.funnel, "with how many nodes are left after each step"
    assert reason.help
    bench.end(job)


def test_a_pool_that_is_not_there(bench: Witness) -> None:
    with pytest.raises(SchedulerError, match='is in nonexistent node pool "nowhere"') as caught:
        bench.submit("pool", placement={"pool": "nowhere"})
    assert caught.value.code == "scheduler-error"


@pytest.fixture
def holder(bench: Witness) -> Iterator[str]:
    """A model that has the T4, 3 GiB and 3000 MHz."""
    resources = {"memory": "3GiB", "cpu": "3000MHz", "gpu": {"count": 1, "device": T4}}
    job = bench.submit("whisper", resources=resources)
    bench.await_running(job)
    yield job
    bench.await_end(job)


def test_what_others_have(bench: Witness, holder: str) -> None:
    cases = [
        ("gpu-taken", gpus(1, T4), "gpu-taken", (f"none of 1 is free: held by {holder} (1)",)),
        ("memory-now", {"resources": {"memory": "2GiB"}}, "no-capacity", ("1 GiB of 4 GiB", f"{holder} (3 GiB)")),
        ("cpu-now", {"resources": {"cpu": "2000MHz", "memory": "64MiB"}}, "no-capacity", ("2000 MHz", holder)),
    ]
    for name, asked, code, words in cases:
        job = bench.submit(name, **asked)
        bench.know_blocked(job)
        reason = bench.hear(job, code, *words)
        if code == "gpu-taken":
            assert ("with free GPUs", 0) in reason.funnel
        bench.end(job)


def test_a_port_that_is_taken(bench: Witness) -> None:
    port = free_port()
    bench.sentences.add(str(port), "8080")
    first = bench.submit("bert", port=port, count=2)  # the node has two addresses, of IPv4 and IPv6
    bench.await_running(first, 2)
    second = bench.submit("port", port=port)
    bench.know_blocked(second)
    bench.hear(second, "port-taken", f"Port {port} is in use", f"by {first} on ")
    bench.end(first, second)


@contextmanager
def ill(small: Agent, gpu: str, why: str) -> Iterator[None]:
    """Have a simulated GPU be unhealthy."""
    path = small.folder / "control" / gpu
    path.write_text(why)
    eventually(lambda: not is_healthy(small, gpu), 10, 0.05)
    try:
        yield
    finally:
        path.unlink()
        eventually(lambda: is_healthy(small, gpu), 10, 0.05)


def is_healthy(small: Agent, gpu: str) -> bool:
    groups = small.api.get(f"/v1/node/{small.node_id}")["NodeResources"]["Devices"] or []
    units = [unit for group in groups for unit in group["Instances"] if unit["ID"] == gpu]
    return bool(units) and bool(units[0]["Healthy"])


def test_a_gpu_that_is_ill(bench: Witness, small: Agent) -> None:
    with ill(small, "GPU-sim-n-2", "Xid 79: GPU has fallen off the bus"):
        job = bench.submit("gpu-ill", **gpus(1, T4))
        bench.know_blocked(job)
        bench.hear(job, "gpu-unhealthy", "1 of the 1 on", "is unhealthy: GPU-sim-n-2 (Xid 79: GPU has fallen off")
    bench.await_running(job)
    bench.await_end(job)


def test_a_scheduler_that_is_paused(bench: Witness) -> None:
    configuration = bench.api.get("/v1/operator/scheduler/configuration")["SchedulerConfig"]
    bench.api.put("/v1/operator/scheduler/configuration", configuration | {"PauseEvalBroker": True})
    try:
        job = bench.submit("undecided")
        bench.hear(job, "scheduling")
    finally:
        bench.api.put("/v1/operator/scheduler/configuration", configuration)
    bench.end(job)


def test_a_model_that_gives_way(bench: Witness, holder: str) -> None:
    configuration = bench.api.get("/v1/operator/scheduler/configuration")["SchedulerConfig"]
    preemption = configuration["PreemptionConfig"] | {"ServiceSchedulerEnabled": True}
    bench.api.put("/v1/operator/scheduler/configuration", configuration | {"PreemptionConfig": preemption})
    urgent = make_job("urgent", Namespace=bench.namespace, Priority=90)
    urgent["TaskGroups"][0]["Tasks"][0]["Resources"] = {"CPU": 100, "MemoryMB": 2048}
    try:
        bench.api.register(urgent)
        bench.know(lambda: any(row["DesiredStatus"] == "evict" for row in bench.rows(holder)))
        bench.hear(holder, "preempted", "to make room for a job of a higher priority")
    finally:
        bench.api.put("/v1/operator/scheduler/configuration", configuration)
        bench.api.delete("/v1/job/urgent", namespace=bench.namespace)


def test_a_device_plugin_that_is_dead(bench: Witness, small: Agent) -> None:
    """Last, as it is not brought back. Nomad goes on to offer the devices, until it is to hand one out."""
    executable = small.folder / "plugins" / "serai-gpu"
    executable.rename(executable.with_name("away"))
    for process in psutil.Process(small.pid).children(recursive=True):
        if "serai_gpu" in process.cmdline():
            process.kill()
    job = bench.submit("gpu-plugin-dead", **gpus(1, T4))
    bench.know(lambda: any(row["ClientStatus"] == "failed" for row in bench.rows(job)))
    bench.hear(
        job,
        "gpu-unhealthy",
        "evice plugin on node ",
        "does not hand out the nvidia/gpu/T4",
        "no such file or directory.",
    )
