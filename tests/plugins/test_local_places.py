"""Ports, GPUs, CPU and memory: what is handed out, and the sentence that says why not."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import psutil
import pytest

from serai.domain.errors import Invalid
from serai.domain.observation import GpuUsage, Stream, Verdict, Workload
from serai.domain.quantity import Cpu
from serai.domain.spec import Gpu, Mount, Resources, Spec
from serai_local.fit import derive_fit
from serai_local.gpus import GpuDevice, ScriptedGpus, find_gpus
from serai_local.machine import Machine, choose_gpus, find_excess, matching_gpus
from serai_local.plan import Candidate, Plan, plan_replicas
from serai_local.ports import choose_port, is_free
from serai_local.record import Placed
from serai_local.settings import LocalSettings, load_settings
from serai_local.surroundings import make_base
from tests.plugins.stage import SERVE_ON, WAITING, Stage, python
from tests.ports import free_port
from tests.waiting import eventually

GIB = 2**30
SMALL, BIG, OLD = (
    GpuDevice("GPU-a", "NVIDIA A100-SXM4-40GB", 40 * GIB),
    GpuDevice("GPU-b", "NVIDIA H100 80GB HBM3", 80 * GIB),
    GpuDevice("GPU-c", "Tesla T4", 15 * GIB),
)
ONE_GPU = Spec(resources=Resources(gpu=Gpu(1)))
MACHINE = Machine("here", 4, 8 * GIB, 8000.0, (SMALL, BIG, OLD))


# pure


def candidate(id_: str, digest: str = "d", ready: bool = True, at: float = 0.0) -> Candidate:
    return Candidate(id_, digest, ready, at)


@pytest.mark.parametrize(
    ("candidates", "count", "leaving", "plan"),
    [
        ([], 2, (), Plan((), 2)),
        ([candidate("a")], 1, (), Plan((), 0)),
        ([candidate("a", at=1), candidate("b", at=2)], 1, (), Plan(("b",), 0)),
        ([candidate("a", at=1, ready=False), candidate("b", at=2)], 1, (), Plan(("a",), 0)),
        ([candidate("a", at=1), candidate("b", at=2)], 1, ("a",), Plan(("a",), 0)),
        ([candidate("a", at=1), candidate("b", at=2)], 2, ("a",), Plan((), 0)),
        ([candidate("a", "old"), candidate("b")], 2, (), Plan(("a",), 1)),
        ([candidate("a", "old"), candidate("b", "old")], 0, (), Plan(("a", "b"), 0)),
    ],
)
def test_plan(candidates: list[Candidate], count: int, leaving: tuple[str, ...], plan: Plan) -> None:
    assert plan_replicas(candidates, "d", count, leaving) == plan


@pytest.mark.parametrize(
    ("resources", "code", "said"),
    [
        (Resources(), None, ""),
        (Resources(cpu=Cpu(cores=4)), None, ""),
        (Resources(cpu=Cpu(cores=4.5)), "too-large", "4.5 cores, and this machine has 4"),
        (Resources(cpu=Cpu(mhz=9000)), "too-large", "cores"),
        (Resources(memory_bytes=9 * GIB), "too-large", "9 GiB of memory; this machine has 8 GiB"),
        (Resources(gpu=Gpu(1, "a100|h100")), None, ""),
        (Resources(gpu=Gpu(3, "A100|H100")), "gpu-missing", "such ones: 2."),
        (Resources(gpu=Gpu(1, "", 81 * GIB)), "gpu-missing", "at least 81 GiB"),
    ],
)
def test_what_the_machine_can_never_do(resources: Resources, code: str | None, said: str) -> None:
    reason = find_excess(Spec(resources=resources), MACHINE)
    assert (reason.code if reason else None) == code and said in (reason.text if reason else "")


def test_the_smallest_gpus_that_do_are_chosen() -> None:
    assert choose_gpus(Gpu(1), MACHINE, {}) == ("GPU-c",)
    assert choose_gpus(Gpu(2, "", 20 * GIB), MACHINE, {}) == ("GPU-a", "GPU-b")
    assert choose_gpus(Gpu(2, "", 20 * GIB), MACHINE, {"GPU-a": "x-v1"}) is None
    assert matching_gpus(Gpu(1, "H100"), MACHINE) == (BIG,)


def placed(workload: str, port: int = 1, gpus: tuple[str, ...] = ()) -> Placed:
    return Placed(f"{workload}-abcd", workload, "d", 0.0, port, gpus=gpus)


@pytest.mark.parametrize(
    ("spec", "count", "live", "freed", "verdict", "placeable", "code"),
    [
        (Spec(), 3, [], [], Verdict.NOW, 3, None),
        (Spec(image="x"), 1, [], [], Verdict.NEVER, 0, "not-supported"),
        (Spec(mounts=(Mount("w", "/w"),)), 1, [], [], Verdict.NEVER, 0, "not-supported"),
        (Spec(resources=Resources(memory_bytes=9 * GIB)), 1, [], [], Verdict.NEVER, 0, "too-large"),
        (Spec(port=80), 1, [], [], Verdict.NOW, 1, None),
        (Spec(port=80), 2, [], [], Verdict.LATER, 1, "port-taken"),
        (Spec(port=80), 1, [placed("x-v1", 80)], [], Verdict.LATER, 0, "port-taken"),
        (Spec(port=81), 1, [], [], Verdict.LATER, 0, "port-taken"),
        (Spec(port=81), 1, [], [placed("x-v1", 81)], Verdict.NOW, 1, None),
        (
            Spec(resources=Resources(gpu=Gpu(1))),
            3,
            [placed("x-v1", gpus=("GPU-a",))],
            [],
            Verdict.LATER,
            2,
            "gpu-taken",
        ),
        (Spec(resources=Resources(gpu=Gpu(1))), 3, [], [placed("x-v1", gpus=("GPU-a",))], Verdict.NOW, 3, None),
    ],
)
def test_fit(
    spec: Spec, count: int, live: list[Placed], freed: list[Placed], verdict: Verdict, placeable: int, code: str | None
) -> None:
    fit = derive_fit(Workload("a-v1", "a", 1, spec, "d", count), MACHINE, live, freed, lambda port: port != 81)
    assert (fit.verdict, fit.placeable, fit.reason and fit.reason.code) == (verdict, placeable, code)


def test_settings() -> None:
    assert load_settings({}) == LocalSettings()
    settings = load_settings({"ports": "5000-5010", "backoff": "100ms", "log_file_size": "1MB", "inherit": ["HF_HOME"]})
    assert (settings.first_port, settings.last_port, settings.backoff_s) == (5000, 5010, 0.1)
    assert (settings.log_file_bytes, settings.inherit) == (1_000_000, ("HF_HOME",))


@pytest.mark.parametrize("values", [{"ports": "9-1"}, {"ports": 5}, {"port": "1-9"}, {"ports": "1-70000"}])
def test_wrong_settings_are_refused_by_name(values: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=re.escape("plugin.local")):
        load_settings(values)


def test_models_inherit_what_is_harmless() -> None:
    server = {"PATH": "/bin", "LC_ALL": "C", "SERAI_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "HF_HOME": "/hf"}
    base = make_base(server, ("HF_HOME",))
    assert base.keys() == {"PATH", "LC_ALL", "HF_HOME"} and base["PATH"].startswith("/bin:")


# ports


def test_a_busy_port_is_not_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port) and choose_port(port, port, ()) is None
    assert is_free(port) and choose_port(port, port, ()) == port and choose_port(port, port, {port}) is None


def test_replicas_get_ports_of_their_own(stage: Stage) -> None:
    workload = stage.run(command=WAITING, count=4)
    assert len({replica.address for replica in stage.ready(workload)}) == 4


def test_a_fixed_port_is_used_by_one_replica_at_a_time(stage: Stage) -> None:
    port = free_port()
    code = f"assert os.environ['PORT'] == '{port}'\n" + SERVE_ON
    first = stage.run("first-v1", command=python(code), port=port)
    assert stage.ready(first)[0].address == f"127.0.0.1:{port}"
    second = stage.run("second-v1", command=WAITING, port=port)
    waiting = stage.observe(second).waiting
    assert waiting and waiting.code == "port-taken" and stage.the(first).id in waiting.text
    assert stage.scheduler.fit(second).placeable == 0
    assert stage.scheduler.fit(second, [first.id]).verdict is Verdict.NOW
    stage.stop(first)
    assert stage.ready(second)[0].address == f"127.0.0.1:{port}"


def test_a_port_held_by_a_stranger_is_told(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        workload = stage.run(command=WAITING, port=port)
        waiting = stage.observe(workload).waiting
        assert waiting and waiting.code == "port-taken" and f"{psutil.Process().pid}" in waiting.text
    assert stage.ready(workload)


# the rest of the machine


def test_what_is_too_large_waits_and_says_both_numbers(stage: Stage) -> None:
    workload = stage.run(command=WAITING, resources=Resources(memory_bytes=2**50))
    seen = stage.observe(workload)
    assert not seen.replicas and seen.waiting and seen.waiting.code == "too-large" and "1 PiB" in seen.waiting.text


def test_images_are_not_supported(stage: Stage) -> None:
    seen = stage.observe(stage.run(image="registry/model:1"))
    assert not seen.replicas and seen.failed and seen.failed.code == "not-supported"


def test_capacity_counts_what_is_promised(stage: Stage) -> None:
    (before,) = stage.scheduler.capacity()
    resources = Resources(cpu=Cpu(cores=0.5), memory_bytes=GIB)
    stage.ready(stage.run(command=WAITING, count=2, resources=resources))
    (after,) = stage.scheduler.capacity()
    assert (before.cores_taken, before.memory_taken_bytes) == (0, 0)
    assert (after.cores_taken, after.memory_taken_bytes) == (1.0, 2 * GIB)


def test_gpus_are_exclusive_and_named_in_the_environment(stage: Stage) -> None:
    stage.scheduler.close()
    stage.gpus = ScriptedGpus((SMALL, BIG), [GpuUsage(SMALL.id, SMALL.model, 50.0, GIB, 40 * GIB)])
    stage.open()
    code = "print(os.environ['CUDA_VISIBLE_DEVICES'])\n" + SERVE_ON
    first = stage.run("first-v1", command=python(code), resources=Resources(gpu=Gpu(1)))
    (replica,) = stage.ready(first)
    assert replica.gpus == ("GPU-a",)
    assert stage.texts(first, replica.id, Stream.STDOUT) == ["GPU-a"]
    (sample,) = stage.scheduler.usage()
    assert sample.gpus[0].util == 50.0
    second = stage.run("second-v1", count=2, command=python(code), resources=Resources(gpu=Gpu(1)))
    seen = eventually(lambda: (o := stage.observe(second)).waiting and any(r.ready for r in o.replicas) and o)
    assert seen and seen.waiting and seen.waiting.code == "gpu-taken" and "first-v1 (1)" in seen.waiting.text
    (node,) = stage.scheduler.capacity()
    assert [unit.taken_by for unit in node.gpus] == ["first-v1", "second-v1"]
    stage.stop(first)
    assert {replica.gpus for replica in stage.ready(second)} == {("GPU-a",), ("GPU-b",)}


def test_a_machine_without_a_driver_has_no_gpus(tmp_path: Path) -> None:
    inventory = find_gpus()
    assert isinstance(inventory.devices(), tuple)
    inventory.close()
