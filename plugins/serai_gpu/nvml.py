"""The GPUs that NVIDIA's driver reports (NVML), MIG instances as devices of their own."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from .inventory import (
    GPUS_VARIABLE,
    Attribute,
    Figures,
    Gpu,
    Inventory,
    InventoryError,
    Quantity,
    Reservation,
    check_ids,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

# What CUDA opens beside the GPU's own file. Docker's runtime mounts them by itself, `exec` and podman do not.
_SHARED_FILES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")


class NvmlInventory(Inventory):
    """The machine's GPUs. Where there is no driver there are none; one that comes later is found.

    `load` returns an initialised pynvml, and raises where there is no driver.
    """

    def __init__(self, load: Callable[[], ModuleType] | None = None) -> None:
        self._load = load or load_nvml
        self._nvml: ModuleType | None = None
        self._lock = threading.Lock()
        self._complaint = ""
        self._seen: dict[int, tuple[Gpu, ...]] = {}  # by NVML's index

    def gpus(self) -> tuple[Gpu, ...]:
        with self._lock:
            nvml = self._start()
            return tuple(gpu for index in self._indices(nvml) for gpu in self._look(nvml, index)) if nvml else ()

    def figures(self) -> Mapping[str, Figures]:
        with self._lock:
            nvml = self._start()
            return {id_: _measure(nvml, handle) for id_, handle in self._handles(nvml)} if nvml else {}

    def reserve(self, ids: Collection[str]) -> Reservation:
        """Hand out ids for docker's runtime (NVIDIA_VISIBLE_DEVICES), for CUDA, and the files that `exec` needs."""
        with self._lock:
            nvml = self._start()
            handles = dict(self._handles(nvml)) if nvml else {}
            check_ids(ids, handles)
            files = [_device_file(nvml, handles[id_]) for id_ in ids] if nvml else []
        names = ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", GPUS_VARIABLE)
        present = [file for file in dict.fromkeys([*files, *_SHARED_FILES]) if file and Path(file).exists()]
        return Reservation(dict.fromkeys(names, ",".join(ids)), tuple(present))

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> ModuleType | None:
        """Return the library; None where there is no driver and there was none, which is said once."""
        if self._nvml is None:
            try:
                self._nvml = self._load()
            except Exception as error:  # NVML raises what it likes where there is no driver
                if self._seen:
                    raise InventoryError(f"NVIDIA's driver is gone: {error}") from error
                self._complain(f"NVML is not available, so there are no GPUs here: {error}")
        return self._nvml

    def _stop(self) -> None:
        if self._nvml:
            _ask(self._nvml, self._nvml.nvmlShutdown)
            self._nvml = None

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            log.warning("%s", text)

    def _indices(self, nvml: ModuleType) -> range:
        try:
            return range(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            self._stop()  # the next look starts NVML again, as after an exchange of the driver
            raise InventoryError(f"NVML does not list the GPUs: {error}") from error

    def _look(self, nvml: ModuleType, index: int) -> tuple[Gpu, ...]:
        """Return what stands at this index; what was seen there and does not answer now is unhealthy."""
        try:
            self._seen[index] = tuple(_describe(nvml, handle) for handle in _open(nvml, index))
        except nvml.NVMLError as error:
            ill = f"NVML: {error}"
            return tuple(replace(gpu, is_healthy=False, description=ill) for gpu in self._seen.get(index, ()))
        return self._seen[index]

    def _handles(self, nvml: ModuleType) -> Iterator[tuple[str, object]]:
        """Yield the ids of all that answer, with NVML's handles."""
        for index in self._indices(nvml):
            with contextlib.suppress(nvml.NVMLError):
                for handle in _open(nvml, index):
                    yield str(nvml.nvmlDeviceGetUUID(handle)), handle


def load_nvml() -> ModuleType:
    """Return pynvml, initialised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pynvml
    pynvml.nvmlInit()
    return pynvml  # type: ignore[no-any-return]


def _open(nvml: ModuleType, index: int) -> list[object]:
    """Return the GPU's handle, or those of the instances of one that is partitioned: no job can use it as a whole."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    return _instances(nvml, handle) or [handle]


def _instances(nvml: ModuleType, handle: object) -> list[object]:
    mode = _ask(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if not mode or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return []
    places = range(_ask(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0)
    found = (_ask(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place) for place in places)
    return [instance for instance in found if instance is not None]


def _describe(nvml: ModuleType, handle: object) -> Gpu:
    """Return the GPU. Raise NVMLError for one that does not answer for its memory, as after it fell off the bus."""
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    pci = _ask(nvml, nvml.nvmlDeviceGetPciInfo, handle)
    return Gpu(
        id=str(nvml.nvmlDeviceGetUUID(handle)),
        model=str(nvml.nvmlDeviceGetName(handle)),
        memory_mb=int(memory.total) // 2**20,
        pci_bus_id=str(pci.busId) if pci else "",
        attributes=_attributes(nvml, handle),
    )


def _attributes(nvml: ModuleType, handle: object) -> dict[str, Attribute]:
    limit_mw = _ask(nvml, nvml.nvmlDeviceGetPowerManagementLimit, handle)
    clock = _ask(nvml, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM)
    driver = _ask(nvml, nvml.nvmlSystemGetDriverVersion)
    found: dict[str, Attribute | None] = {
        "power": Quantity(limit_mw // 1000, "W") if limit_mw else None,
        "cores_clock": Quantity(clock, "MHz") if clock else None,
        "driver_version": str(driver) if driver else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _measure(nvml: ModuleType, handle: object) -> Figures:
    rates = _ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    memory = _ask(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    power_mw = _ask(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    limit_mw = _ask(nvml, nvml.nvmlDeviceGetPowerManagementLimit, handle)
    return Figures(
        utilization_percent=None if rates is None else int(rates.gpu),
        memory_used_mb=None if memory is None else int(memory.used) // 2**20,
        memory_total_mb=None if memory is None else int(memory.total) // 2**20,
        power_w=None if power_mw is None else power_mw // 1000,
        power_limit_w=None if limit_mw is None else limit_mw // 1000,
        temperature_c=_ask(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
    )


def _device_file(nvml: ModuleType, handle: object) -> str:
    minor = _ask(nvml, nvml.nvmlDeviceGetMinorNumber, handle)
    return "" if minor is None else f"/dev/nvidia{minor}"


def _ask(nvml: ModuleType, question: Callable[..., T], *arguments: object) -> T | None:
    """Return an answer, None where this GPU or driver has none."""
    try:
        return question(*arguments)
    except nvml.NVMLError:
        return None
