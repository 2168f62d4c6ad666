"""What the local scheduler measures beside CPU and memory: GPUs by NVML, files of a replica, starts of its process."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serai.domain.observation import GpuUsage
from serai_local.folder_sizes import LEAST_S, FolderSizes, count_bytes
from serai_local.gpus import NvmlGpus
from tests.plugins.stage import SERVE_ON, Stage, python

GIB = 2**30


class NvmlFault(Exception):
    pass


class Driver:
    """As much of NVIDIA's library as is asked; `lacking` are the questions that the card has no answer to."""

    NVMLError, NVML_TEMPERATURE_GPU = NvmlFault, 0

    def __init__(self, *lacking: str) -> None:
        self._answers: dict[str, Any] = {
            "DeviceGetCount": 1,
            "DeviceGetHandleByIndex": "handle",
            "DeviceGetUUID": "GPU-0",
            "DeviceGetName": "H100",
            "DeviceGetMemoryInfo": SimpleNamespace(total=80 * GIB, used=3 * GIB),
            "DeviceGetUtilizationRates": SimpleNamespace(gpu=40, memory=7),
            "DeviceGetTemperature": 61,
            "DeviceGetPowerUsage": 305_500,
        }
        self._lacking = lacking

    def __getattr__(self, name: str) -> Any:
        question = name.removeprefix("nvml")

        def answer(*_: object) -> Any:
            if question in self._lacking:
                raise NvmlFault("Not Supported")
            return self._answers[question]

        return answer


ALL = GpuUsage("GPU-0", "H100", 40.0, 3 * GIB, 80 * GIB, 61.0, 305.5)
# A card that is partitioned (MIG) tells no utilisation; some laptops tell no power.
CARDS = [
    ((), ALL),
    (("DeviceGetUtilizationRates",), GpuUsage("GPU-0", "H100", None, 3 * GIB, 80 * GIB, 61.0, 305.5)),
    (("DeviceGetPowerUsage", "DeviceGetTemperature"), GpuUsage("GPU-0", "H100", 40.0, 3 * GIB, 80 * GIB)),
    (("DeviceGetMemoryInfo",), GpuUsage("GPU-0", "H100", 40.0, None, None, 61.0, 305.5)),
]


@pytest.mark.parametrize(("lacking", "expected"), CARDS)
def test_what_a_card_does_not_tell_is_not_known(lacking: tuple[str, ...], expected: GpuUsage) -> None:
    driver: Any = Driver(*lacking)
    assert NvmlGpus(driver).usage(["GPU-0"]) == [expected]


def test_a_folder_takes_what_its_files_take(tmp_path: Path) -> None:
    empty = count_bytes(tmp_path)
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "weights").write_bytes(os.urandom(300_000))
    os.link(tmp_path / "deep" / "deeper" / "weights", tmp_path / "again")  # the same bytes once more
    (tmp_path / "elsewhere").symlink_to("/usr")
    assert 300_000 <= count_bytes(tmp_path) - empty < 400_000
    assert count_bytes(tmp_path / "gone") == 0


def test_a_folder_is_looked_at_seldom(tmp_path: Path) -> None:
    sizes, now_s = FolderSizes(), 1000.0
    first = sizes.measure("r", tmp_path, now_s)
    (tmp_path / "more").write_bytes(os.urandom(100_000))
    assert sizes.measure("r", tmp_path, now_s + LEAST_S - 1) == first
    assert sizes.measure("r", tmp_path, now_s + LEAST_S + 1) >= first + 100_000
    sizes.forget(set())
    assert sizes.measure("r", tmp_path, now_s) >= first + 100_000  # as if it were new


def test_files_and_restarts_of_a_replica(stage: Stage) -> None:
    size = 300_000
    steady = stage.serve({"weights": "x" * size})
    code = (
        "import pathlib\nmark = pathlib.Path('tried')\nif not mark.exists():\n  mark.touch()\n  sys.exit(3)\n"
        + SERVE_ON
    )
    shaky = stage.run("shaky-v1", command=python(code))
    (one,), (other,) = stage.ready(steady), stage.ready(shaky)
    samples = {sample.replica: sample for sample in stage.scheduler.usage()}
    assert (samples[one.id].restarts, samples[other.id].restarts) == (0, 1)
    assert size <= (samples[one.id].disk_used_bytes or 0) < 2 * size
    assert samples[one.id].disk_total_bytes is None, "nothing is promised here"
