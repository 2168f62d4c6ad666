"""A real GPU on one machine: who gets it, what it tells, who waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from serai_local.gpus import find_gpus
from tests.real_gpu import RealGpu, await_reason, check_taken_and_freed, check_work, find_real_gpu, write_cuda_model
from tests.system.deploying import put_folder
from tests.system.installation import Installation

pytestmark = [pytest.mark.xdist_group("real-gpu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def gpu() -> RealGpu:
    return find_real_gpu()


def test_what_the_driver_says_of_a_gpu(gpu: RealGpu) -> None:
    inventory = find_gpus()
    first = inventory.devices()[0]
    assert (first.id, first.model, first.memory_bytes) == (gpu.id, gpu.model, gpu.memory_bytes)
    (sample,) = inventory.usage([gpu.id])
    assert sample.vram_used_bytes is not None and 0 <= sample.vram_used_bytes < gpu.memory_bytes
    assert sample.temperature_c is not None and 10 < sample.temperature_c < 110
    assert sample.power_w is not None and 1 < sample.power_w < 2000


def test_a_model_works_on_it_and_the_next_one_waits(gpu: RealGpu, serai: Installation, tmp_path: Path) -> None:
    serai.deploy(write_cuda_model(tmp_path / "first", gpu))
    check_work(serai, gpu, "first")
    check_taken_and_freed(serai, gpu, tmp_path / "second", "first")


def test_one_that_no_gpu_fits_is_told_what_there_is(gpu: RealGpu, serai: Installation, tmp_path: Path) -> None:
    folder = write_cuda_model(tmp_path / "huge", gpu)
    manifest = folder / "serai.yaml"
    manifest.write_text(manifest.read_text().replace(">=4GiB", ">=4000GiB"))
    with serai.client() as client:
        put_folder(client, folder)
        text = await_reason(client, "huge", "gpu-missing")
    assert gpu.model in text and "such ones: none" in text
