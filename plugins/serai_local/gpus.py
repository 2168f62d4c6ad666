"""The GPUs of this machine, behind a seam that tests script."""

from __future__ import annotations

import contextlib
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from serai.domain.observation import GpuUsage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """One GPU: its UUID, which CUDA_VISIBLE_DEVICES takes, its model's name, and its memory in bytes if known."""

    id: str
    model: str
    memory_bytes: int | None


class GpuInventory(ABC):
    """What GPUs there are, and what they do."""

    @abstractmethod
    def devices(self) -> tuple[GpuDevice, ...]:
        """Return all GPUs, always in the same order; empty where there are none."""

    @abstractmethod
    def usage(self, ids: Collection[str]) -> list[GpuUsage]:
        """Return a sample of each of these GPUs; figures that cannot be had are None."""

    def close(self) -> None:
        """Release the driver's library."""


class ScriptedGpus(GpuInventory):
    """GPUs that a test made up; `samples` are answered as they are."""

    def __init__(self, devices: Sequence[GpuDevice], samples: Iterable[GpuUsage] = ()) -> None:
        self._devices = tuple(devices)
        self._samples = {sample.id: sample for sample in samples}

    def devices(self) -> tuple[GpuDevice, ...]:
        return self._devices

    def usage(self, ids: Collection[str]) -> list[GpuUsage]:
        return [self._samples.get(d.id, GpuUsage(d.id, d.model)) for d in self._devices if d.id in ids]


class NvmlGpus(GpuInventory):
    """The GPUs that NVIDIA's driver reports."""

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml
        count = nvml.nvmlDeviceGetCount()
        self._handles = {}
        for index in range(count):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            self._handles[str(nvml.nvmlDeviceGetUUID(handle))] = handle
        self._devices = tuple(self._describe(id_, handle) for id_, handle in self._handles.items())

    def devices(self) -> tuple[GpuDevice, ...]:
        return self._devices

    def usage(self, ids: Collection[str]) -> list[GpuUsage]:
        return [self._sample(device) for device in self._devices if device.id in ids]

    def close(self) -> None:
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def _describe(self, id_: str, handle: object) -> GpuDevice:
        memory: int | None = None
        with contextlib.suppress(self._nvml.NVMLError):
            memory = int(self._nvml.nvmlDeviceGetMemoryInfo(handle).total)
        return GpuDevice(id_, str(self._nvml.nvmlDeviceGetName(handle)), memory)

    def _sample(self, device: GpuDevice) -> GpuUsage:
        """Ask for each figure by itself: a card that is partitioned (MIG) tells no utilisation, others no power."""
        handle, nvml = self._handles[device.id], self._nvml
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        heat_c = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        power_mw = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        return GpuUsage(
            device.id,
            device.model,
            util=None if rates is None else float(rates.gpu),
            vram_used_bytes=None if memory is None else int(memory.used),
            vram_total_bytes=device.memory_bytes,
            temperature_c=None if heat_c is None else float(heat_c),
            power_w=None if power_mw is None else power_mw / 1000,
        )

    def _ask(self, question: Callable[..., Any], *arguments: object) -> Any:
        """Return an answer, None where this card or driver has none."""
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None


def find_gpus() -> GpuInventory:
    """Return the machine's GPUs; none where there is no driver."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pynvml
        pynvml.nvmlInit()
    except Exception as error:  # NVML raises what it likes where there is no driver
        log.debug("no GPUs: %s", error)
        return ScriptedGpus(())
    return NvmlGpus(pynvml)
