"""The device plugin on a real agent: what a node shows, what a job gets, illness, statistics, and a killed plugin."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from serai_gpu.install import install
from serai_nomad.record.gpu_usage import derive_gpus
from tests.live.agent import Agent, make_dev_agent
from tests.live.chroot import EXEC_PYTHON
from tests.live.docker import Dockerd
from tests.live.leftovers import make_folder
from tests.live.programs import write_program
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("nomad-gpu"), pytest.mark.slow]

TELL = """
import json, os, time
names = ("SERAI_GPUS", "SERAI_GPU_MEMORY_MB", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
with open("local/env.part", "w") as file:
    json.dump({name: os.environ[name] for name in names if name in os.environ}, file)
os.rename("local/env.part", "local/env.json")
time.sleep(3600)
"""
LIST_DEVICES = TELL.replace(
    "json.dump({", "json.dump({'FILES': ' '.join(glob.glob('/dev/**', recursive=True))} | {"
).replace("import json", "import glob, json")
RunJob = Callable[..., str]


def start(folder: Path, nomad: Path, docker: str = "", **config: object) -> Agent:
    """Start an agent with simulated GPUs `GPU-sim-n-<number>`."""
    options = {"mode": "simulated", "node": "n", "control": str(folder / "control"), "period": "200ms"} | config
    return make_dev_agent(
        folder,
        nomad,
        exec=False,
        docker=docker,
        plugin_dir=install(folder / "plugins").parent,
        plugins={"serai-gpu": options},
    )


@pytest.fixture(scope="module")
def gpus(nomad: Path) -> Iterator[Agent]:
    """An agent with two A100, a T4, and nothing shared."""
    with make_folder("gpu") as folder, start(folder, nomad, models=["A100-40GB:2", "T4:1"]) as agent:
        eventually(lambda: devices(agent))  # the plugin is another process, which may be slower than its agent
        yield agent


@pytest.fixture
def run(gpus: Agent) -> Iterator[RunJob]:
    """Start a job that asks for a device; give the id of its allocation once it runs."""
    with gpus.api.namespace() as namespace:
        yield lambda name, device: run_job(gpus, namespace, name, device)


def run_job(agent: Agent, namespace: str, name: str, device: dict[str, Any]) -> str:
    agent.api.register(make_job(namespace, name, device))
    return agent.api.wait_running(name, namespace=namespace)[0]


def make_job(namespace: str, name: str, device: dict[str, Any]) -> dict[str, Any]:
    task = {
        "Name": "server",
        "Driver": "raw_exec",
        "Config": {"command": sys.executable, "args": ["-c", TELL]},
        "Resources": {"CPU": 50, "MemoryMB": 64, "Devices": [device]},
    }
    update = {"MaxParallel": 0}
    groups = [{"Name": "model", "Count": 1, "Tasks": [task]}]
    return {"ID": name, "Namespace": namespace, "Datacenters": ["*"], "Update": update, "TaskGroups": groups}


def ask(name: str = "nvidia/gpu", count: int = 1, **memory: str) -> dict[str, Any]:
    """Return a `device` block; `at_least="20 GiB"` asks for memory."""
    constraints = [{"LTarget": "${device.attr.memory}", "Operand": ">=", "RTarget": size} for size in memory.values()]
    return {"Name": name, "Count": count, "Constraints": constraints}


def read_env(agent: Agent, allocation: str) -> dict[str, str]:
    path = agent.folder / "data" / "alloc" / allocation / "server" / "local" / "env.json"
    eventually(path.exists)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def devices(agent: Agent) -> dict[str, bool]:
    """Return the health of each GPU as the node tells it."""
    node = agent.api.get(f"/v1/node/{agent.node_id}")
    groups = node["NodeResources"]["Devices"] or []
    return {instance["ID"]: instance["Healthy"] for group in groups for instance in group["Instances"]}


def blocked(agent: Agent, namespace: str, job: str) -> dict[str, Any]:
    """Return why a job waits, once it does."""

    def find() -> dict[str, Any]:
        rows = agent.api.get(f"/v1/job/{job}/evaluations", namespace=namespace)
        failed = [row["FailedTGAllocs"]["model"] for row in rows if row.get("FailedTGAllocs")]
        return failed[0] if failed else {}

    return eventually(find)


def figures(agent: Agent, allocation: str) -> dict[str, Any]:
    """Return the statistics of an allocation's first GPU, {} where there are none yet."""
    usage = agent.api.get(f"/v1/client/allocation/{allocation}/stats")["ResourceUsage"]
    stats = [each for group in usage["DeviceStats"] or [] for each in group["InstanceStats"].values()]
    return dict(stats[0]) if stats else {}


def utilization(agent: Agent, allocation: str) -> int:
    stats = figures(agent, allocation)
    return int(stats["Stats"]["Attributes"]["GPU utilization"]["IntNumeratorVal"]) if stats else 0


def plugins(agent: Agent) -> list[psutil.Process]:
    children = psutil.Process(agent.pid).children(recursive=True)
    return [process for process in children if is_plugin(process)]


def is_plugin(process: psutil.Process) -> bool:
    try:
        return "serai_gpu" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


def test_a_node_shows_models_and_attributes(gpus: Agent) -> None:
    node = gpus.api.get(f"/v1/node/{gpus.node_id}")
    groups = {group["Name"]: group for group in node["NodeResources"]["Devices"]}
    assert set(groups) == {"A100-40GB", "T4"}
    assert (groups["T4"]["Vendor"], groups["T4"]["Type"]) == ("nvidia", "gpu")
    memory = groups["A100-40GB"]["Attributes"]["memory"]
    assert (memory["Int"], memory["Unit"]) == (40960, "MiB")
    assert groups["T4"]["Attributes"]["simulated"]["Bool"] is True
    assert devices(gpus) == dict.fromkeys((f"GPU-sim-n-{number}" for number in range(3)), True)


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (ask("nvidia/gpu/T4"), {"GPU-sim-n-2"}),
        (ask(at_least="20 GiB"), {"GPU-sim-n-0", "GPU-sim-n-1"}),
        (ask("gpu", 2, at_least="40 GiB"), {"GPU-sim-n-0", "GPU-sim-n-1"}),
    ],
)
def test_a_job_gets_what_it_asks_for(gpus: Agent, run: RunJob, device: dict[str, Any], expected: set[str]) -> None:
    env = read_env(gpus, run("teller", device))
    given = env["CUDA_VISIBLE_DEVICES"].split(",")
    assert len(given) == device["Count"]
    assert set(given) <= expected
    assert env == {"CUDA_VISIBLE_DEVICES": ",".join(given), "SERAI_GPUS": ",".join(given)}


def test_taken_and_impossible_are_told_apart(gpus: Agent) -> None:
    with gpus.api.namespace() as namespace:
        run_job(gpus, namespace, "holder", ask("nvidia/gpu/T4"))
        gpus.api.register(make_job(namespace, "second", ask("nvidia/gpu/T4")))
        assert blocked(gpus, namespace, "second")["DimensionExhausted"] == {"devices: no devices match request": 1}
        gpus.api.register(make_job(namespace, "huge", ask(at_least="80 GiB")))
        assert blocked(gpus, namespace, "huge")["ConstraintFiltered"] == {"missing devices": 1}
        only_real = {"LTarget": "${device.attr.simulated}", "Operand": "is_not_set", "RTarget": ""}
        gpus.api.register(make_job(namespace, "real", ask() | {"Constraints": [only_real]}))
        assert blocked(gpus, namespace, "real")["ConstraintFiltered"] == {"missing devices": 1}
        gpus.api.delete("/v1/job/holder", namespace=namespace)
        gpus.api.wait_running("second", namespace=namespace)


def test_statistics_move_with_use(gpus: Agent, run: RunJob) -> None:
    allocation = run("busy", ask("nvidia/gpu/T4"))
    eventually(lambda: utilization(gpus, allocation) > 0, 20, 0.2)
    seen = set()

    def moved() -> bool:
        seen.add(utilization(gpus, allocation))
        return len(seen) > 3

    eventually(moved, 30, 0.3)
    stats = figures(gpus, allocation)
    summary = stats["Summary"]
    assert 0 < summary["IntNumeratorVal"] < summary["IntDenominatorVal"] == 16384
    assert set(stats["Stats"]["Attributes"]) == {"GPU utilization", "Memory state", "Power usage", "Temperature"}
    (told,) = derive_gpus(gpus.api.get(f"/v1/client/allocation/{allocation}/stats"), datetime.now(UTC))
    assert told.model == "T4" and told.vram_total_bytes == 16 * 2**30
    assert told.temperature_c is not None and 30 < told.temperature_c < 90
    assert told.power_w is not None and 5 < told.power_w <= 70


def test_a_gpu_falls_ill_and_heals(gpus: Agent) -> None:
    control = gpus.folder / "control"
    with gpus.api.namespace() as namespace:
        try:
            (control / "GPU-sim-n-2").write_text("Xid 79: GPU has fallen off the bus")
            eventually(lambda: devices(gpus)["GPU-sim-n-2"] is False, 5, 0.1)
            gpus.api.register(make_job(namespace, "waiting", ask("nvidia/gpu/T4")))
            blocked(gpus, namespace, "waiting")
        finally:
            (control / "GPU-sim-n-2").unlink()
        eventually(lambda: devices(gpus)["GPU-sim-n-2"], 5, 0.1)
        gpus.api.put("/v1/job/waiting/evaluate", {"JobID": "waiting", "Namespace": namespace}, namespace=namespace)
        gpus.api.wait_running("waiting", namespace=namespace)


def test_a_killed_plugin_comes_back_and_no_gpu_flaps(gpus: Agent, run: RunJob) -> None:
    allocation = run("steady", ask("nvidia/gpu/T4"))
    eventually(lambda: utilization(gpus, allocation) > 0, 20, 0.2)
    index = gpus.api.get(f"/v1/node/{gpus.node_id}")["ModifyIndex"]
    (plugin,) = plugins(gpus)
    plugin.kill()
    eventually(lambda: [process.pid for process in plugins(gpus)] not in ([], [plugin.pid]), 20, 0.1)
    before = figures(gpus, allocation)["Timestamp"]
    eventually(lambda: figures(gpus, allocation)["Timestamp"] > before, 20, 0.2)
    assert utilization(gpus, allocation) > 0, "it knows by itself which GPUs are in use"
    assert gpus.api.get(f"/v1/node/{gpus.node_id}")["ModifyIndex"] == index
    assert all(devices(gpus).values())


def test_a_plugin_ends_with_a_killed_agent(nomad: Path) -> None:
    with make_folder("gpu") as folder, start(folder, nomad, models=["T4:1"]) as agent:
        (plugin,) = plugins(agent)
        agent.kill()
        eventually(lambda: not plugin.is_running() or plugin.status() == psutil.STATUS_ZOMBIE, 5)
        agent.start().wait_ready()
        os.kill(plugins(agent)[0].pid, signal.SIGINT)
        assert eventually(lambda: devices(agent)) == {"GPU-sim-n-0": True}


def test_several_tasks_on_one_gpu(nomad: Path) -> None:
    with make_folder("gpu") as folder, start(folder, nomad, models=["T4:1"], share=3) as agent:
        assert devices(agent) == dict.fromkeys((f"GPU-sim-n-0/{number}" for number in range(3)), True)
        with agent.api.namespace() as namespace:
            name = "nvidia/gpu/T4 shared by 3"
            one, two = (run_job(agent, namespace, job, ask(name)) for job in ("one", "two"))
            for allocation in (one, two):
                env = read_env(agent, allocation)
                assert env["CUDA_VISIBLE_DEVICES"] == "GPU-sim-n-0"
                assert env["SERAI_GPU_MEMORY_MB"] == str(16384 // 3)
            agent.api.register(make_job(namespace, "whole", ask(at_least="16 GiB")))
            assert blocked(agent, namespace, "whole")["ConstraintFiltered"] == {"missing devices": 1}


def test_a_container_starts_on_a_simulated_gpu_without_nvidias_runtime(
    nomad: Path, dockerd: Dockerd, docker_image: str
) -> None:
    with make_folder("gpu") as folder, start(folder, nomad, models=["T4:1"], docker=dockerd.url) as agent:
        eventually(lambda: "docker" in agent.drivers, 30)
        with agent.api.namespace() as namespace:
            job = make_job(namespace, "teller", ask("nvidia/gpu/T4"))
            config = {"image": docker_image, "command": "python3", "args": ["-c", TELL], "network_mode": "host"}
            job["TaskGroups"][0]["Tasks"][0] |= {"Driver": "docker", "Config": config | {"work_dir": "/"}}
            agent.api.register(job)
            env = read_env(agent, agent.api.wait_running("teller", namespace=namespace, timeout_s=60)[0])
            assert env == {"CUDA_VISIBLE_DEVICES": "GPU-sim-n-0", "SERAI_GPUS": "GPU-sim-n-0"}
            eventually(
                lambda: utilization(agent, agent.api.wait_running("teller", namespace=namespace)[0]) > 0, 20, 0.2
            )


# Real GPUs' device files, without any: NVIDIA's library is a stand-in, and two files of this machine are the GPUs'.
STAND_IN = """import sys
sys.path[:0] = {path!r}
from serai_gpu import main, nvml
from tests.plugins.test_gpu_parts import Driver

files = {files!r}
nvml.load_nvml = Driver("T4", "T4").load
nvml._device_file = lambda library, handle: files[handle]
nvml._SHARED_FILES = ()
sys.exit(main.main([]))
"""


def test_a_task_of_exec_has_the_device_files_of_its_gpus_alone(nomad: Path) -> None:
    files = [file for file in ("/dev/kmsg", "/dev/net/tun", "/dev/fuse", "/dev/loop-control") if Path(file).exists()][
        :2
    ]
    assert len(files) == 2
    with make_folder("gpu") as folder:
        plugin = folder / "plugins" / "serai-gpu"
        write_program(plugin, STAND_IN.format(path=[str(Path(__file__).parents[2])], files=files))
        with (
            make_dev_agent(folder, nomad, plugin_dir=plugin.parent, plugins={"serai-gpu": {"mode": "nvml"}}) as agent,
            agent.api.namespace() as namespace,
        ):
            job = make_job(namespace, "teller", ask("nvidia/gpu/T4"))
            task = job["TaskGroups"][0]["Tasks"][0]
            task |= {"Driver": "exec", "Config": {"command": EXEC_PYTHON, "args": ["-c", LIST_DEVICES]}}
            agent.api.register(job)
            env = read_env(agent, agent.api.wait_running("teller", namespace=namespace)[0])
            given = files[int(env["CUDA_VISIBLE_DEVICES"].removeprefix("GPU-"))]
            assert env["NVIDIA_VISIBLE_DEVICES"] == env["CUDA_VISIBLE_DEVICES"]
            assert set(env["FILES"].split()) & set(files) == {given}
