"""CPU, memory and disk as Nomad reserves them."""

from __future__ import annotations

import math

from serai.domain.quantity import Cpu
from serai.domain.spec import Resources
from serai_nomad.facts import Json

from .devices import make_device

DEFAULT_MHZ = 100
DEFAULT_MEMORY_MB = 300
LEAST_MEMORY_MB = 10  # of Nomad
LEAST_DISK_MB = 300  # what Nomad takes for nothing asked; logs must fit as well
_MIB = 2**20


def make_resources(resources: Resources, core_mhz: int, reserve_cores: bool) -> Json:
    """Return the `Resources` of the model's task."""
    made = {**_make_cpu(resources.cpu, core_mhz, reserve_cores), **make_memory(resources)}
    return {**made, "Devices": [make_device(resources.gpu)]} if resources.gpu else made


def make_helper_resources(resources: Resources) -> Json:
    """Return the `Resources` of a task that runs before the model, in the memory that is set aside for it anyway."""
    return {"CPU": DEFAULT_MHZ, **make_memory(resources)}


def make_memory(resources: Resources) -> dict[str, int]:
    least, most = _in_mb(resources.memory_bytes), _in_mb(resources.memory_max_bytes)
    if not least:
        least = min(DEFAULT_MEMORY_MB, most or DEFAULT_MEMORY_MB)
    return {"MemoryMB": least} | ({"MemoryMaxMB": most} if most > least else {})


def disk_mb(resources: Resources) -> int:
    """Return the room of a replica, at least what its logs and the like need."""
    return max(_in_mb(resources.disk_bytes), LEAST_DISK_MB)


def _make_cpu(cpu: Cpu | None, core_mhz: int, reserve_cores: bool) -> dict[str, int]:
    """Whole cores are reserved, and nobody else's; shares are MHz of whatever cores there are."""
    if cpu is None:
        return {"CPU": DEFAULT_MHZ}
    if cpu.mhz is not None:
        return {"CPU": max(cpu.mhz, 1)}
    cores = float(cpu.cores or 0)
    if reserve_cores and cores.is_integer():
        return {"Cores": int(cores)}
    return {"CPU": max(math.ceil(cores * core_mhz), 1)}


def _in_mb(size_bytes: int | None) -> int:
    return max(-(-size_bytes // _MIB), LEAST_MEMORY_MB) if size_bytes else 0
