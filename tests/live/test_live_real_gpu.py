"""A real GPU on a real agent, through the device plugin: which job gets it, what it tells, and shares of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from serai_gpu.install import install
from tests.live.agent import Agent, make_dev_agent
from tests.live.leftovers import make_folder
from tests.live.serai_server import NomadInstallation
from tests.real_gpu import RealGpu, check_taken_and_freed, check_work, find_real_gpu, write_cuda_model
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("real-gpu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def gpu(nomad: Path) -> RealGpu:
    return find_real_gpu()


def start(folder: Path, nomad: Path, **config: object) -> Agent:
    options = {"mode": "nvml", "period": "1s"} | config
    plugins = {"serai-gpu": options}
    return make_dev_agent(folder, nomad, exec=False, plugin_dir=install(folder / "plugins").parent, plugins=plugins)


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


@contextmanager
def run_serai(agent: Agent, folder: Path) -> Iterator[NomadInstallation]:
    with (
        agent.api.namespace() as namespace,
        closing(NomadInstallation(folder / "serai", agent, namespace, {"shutdown_delay": "0s"})) as serai,
    ):
        serai.start()
        yield serai
