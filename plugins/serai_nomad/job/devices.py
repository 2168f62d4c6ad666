"""GPUs as Nomad's device requests: one entry for a task, as the environment of a second would replace the first's."""

from __future__ import annotations

from serai.domain.spec import Gpu
from serai_nomad.facts import Json

ANY_GPU = "gpu"
_MIB = 2**20


def device_name(gpu: Gpu) -> str:
    """Return which devices are meant: type, vendor/type or vendor/type/model."""
    return gpu.device or ANY_GPU


def make_device(gpu: Gpu) -> Json:
    """Return the request for the GPUs of one replica."""
    device: dict[str, object] = {"Name": device_name(gpu), "Count": gpu.count}
    if constraints := _make_constraints(gpu):
        device["Constraints"] = constraints
    return device


def _make_constraints(gpu: Gpu) -> list[Json]:
    constraints: list[Json] = []
    if gpu.model:
        # As a regular expression, since a model that looks like a number ("4090") never equals one that is text;
        # without regard to case, as on one machine.
        constraints.append({"LTarget": "${device.model}", "Operand": "regexp", "RTarget": f"(?i){gpu.model}"})
    if gpu.memory_bytes:
        least = f"{-(-gpu.memory_bytes // _MIB)} MiB"
        constraints.append({"LTarget": "${device.attr.memory}", "Operand": ">=", "RTarget": least})
    return constraints
