"""A real GPU on a real agent, through the device plugin: which job gets it, what it tells, and shares of it."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from serai_gpu.install import install
from tests.live.agent import Agent, make_dev_agent
from tests.live.chroot import EXEC_PYTHON
from tests.live.leftovers import make_folder
from tests.live.serai_server import NomadInstallation
from tests.real_gpu import RealGpu, check_taken_and_freed, check_work, find_real_gpu, write_cuda_model
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("real-gpu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def gpu(nomad: Path) -> RealGpu:
    return find_real_gpu()


def start(folder: Path, nomad: Path, agent: Mapping[str, Any] = MappingProxyType({}), **config: object) -> Agent:
    """Start an agent with the machine's GPUs: `agent` are its options, `config` those of the device plugin."""
    plugins = {"serai-gpu": {"mode": "nvml", "period": "1s"} | config}
    options = {"exec": False, "plugin_dir": install(folder / "plugins").parent, "plugins": plugins} | dict(agent)
    return make_dev_agent(folder, nomad, **options)


@pytest.fixture(scope="module")
def node(gpu: RealGpu, nomad: Path) -> Iterator[Agent]:
    with make_folder("real-gpu") as folder, start(folder, nomad) as agent:
        eventually(lambda: devices(agent), 30)
        yield agent


def devices(agent: Agent) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.api.get(f"/v1/node/{agent.node_id}")["NodeResources"]["Devices"] or []
    return found


def test_the_node_shows_it(gpu: RealGpu, node: Agent) -> None:
    group = next(group for group in devices(node) if group["Name"] == gpu.model)
    assert {instance["ID"]: instance["Healthy"] for instance in group["Instances"]}[gpu.id]
    memory = group["Attributes"]["memory"]
    assert (memory["Int"], memory["Unit"]) == (gpu.memory_bytes // 2**20, "MiB")
    assert {"power", "cores_clock", "driver_version"} <= set(group["Attributes"])


def test_a_model_works_on_it_and_the_next_one_waits(gpu: RealGpu, node: Agent, tmp_path: Path) -> None:
    with run_serai(node, tmp_path) as serai:
        serai.deploy(write_cuda_model(tmp_path / "first", gpu))
        check_work(serai, gpu, "first")
        check_taken_and_freed(serai, gpu, tmp_path / "second", "first")


def test_two_models_share_it(gpu: RealGpu, nomad: Path, tmp_path: Path) -> None:
    with make_folder("real-gpu") as folder, start(folder, nomad, share=2) as agent:
        eventually(lambda: devices(agent), 30)
        with run_serai(agent, tmp_path) as serai:
            for name in ("one", "two"):
                serai.deploy(write_cuda_model(tmp_path / name, gpu, f"{gpu.model} shared by 2"))
                assert json.loads(serai.get(f"/{name}/"))["gpus"] == [gpu.id]


def test_a_task_of_exec_works_on_it(gpu: RealGpu, nomad: Path, tmp_path: Path) -> None:
    libraries = {str(folder): str(folder) for folder in find_driver_folders()}
    with make_folder("real-gpu") as folder, start(folder, nomad, agent={"exec": True, "chroot": libraries}) as agent:
        if "exec" not in agent.drivers:
            pytest.skip("exec: the driver does not work here")
        eventually(lambda: devices(agent), 30)
        with run_serai(agent, tmp_path, bundle_driver="exec", python=EXEC_PYTHON) as serai:
            serai.deploy(write_cuda_model(tmp_path / "walled", gpu, python=EXEC_PYTHON))
            check_work(serai, gpu, "walled")


def find_driver_folders() -> set[Path]:
    """Return where the loader finds CUDA's driver, and where its files really are."""
    ctypes.CDLL("libcuda.so.1")
    mapped = {Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    return {path.parent for path in mapped if path.name.startswith(("libcuda", "libnvidia"))}


@contextmanager
def run_serai(agent: Agent, folder: Path, **plugin: object) -> Iterator[NomadInstallation]:
    options = {"shutdown_delay": "0s"} | plugin
    with (
        agent.api.namespace() as namespace,
        closing(NomadInstallation(folder / "serai", agent, namespace, options)) as serai,
    ):
        serai.start()
        yield serai
