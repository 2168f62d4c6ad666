"""GPUs and figures as the messages Nomad takes: pure, and the one place that knows the names tools expect."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from . import messages
from .inventory import Attribute, Figures, Gpu, Quantity

VENDOR, TYPE = "nvidia", "gpu"
NOT_KNOWN = "N/A"  # what NVIDIA's own plugin says for a figure that is missing


def make_fingerprint(gpus: Iterable[Gpu]) -> Any:
    """Return the FingerprintResponse of all GPUs, a group for each model."""
    return messages.FingerprintResponse(device_group=[_make_group(name, of) for name, of in _by_model(gpus).items()])


def make_statistics(gpus: Iterable[Gpu], figures: Mapping[str, Figures], now_s: float | None = None) -> Any:
    """Return the StatsResponse of those GPUs that there are figures of."""
    now_s = time.time() if now_s is None else now_s
    response = messages.StatsResponse()
    for model, of in _by_model(gpu for gpu in gpus if gpu.id in figures).items():
        group = response.groups.add(vendor=VENDOR, type=TYPE, name=model)
        for gpu in of:
            group.instance_stats[gpu.id].CopyFrom(_make_stats(figures[gpu.id], now_s))
    return response


def _by_model(gpus: Iterable[Gpu]) -> dict[str, list[Gpu]]:
    groups: dict[str, list[Gpu]] = {}
    for gpu in gpus:
        groups.setdefault(gpu.model, []).append(gpu)
    return groups


def _make_group(model: str, gpus: list[Gpu]) -> Any:
    group = messages.DeviceGroup(vendor=VENDOR, device_type=TYPE, device_name=model)
    for gpu in gpus:
        device = group.devices.add(ID=gpu.id, healthy=gpu.is_healthy, health_description=gpu.description)
        if gpu.pci_bus_id:
            device.hw_locality.pci_bus_id = gpu.pci_bus_id
    for name, value in _common_attributes(gpus).items():
        group.attributes[name].CopyFrom(_make_attribute(value))
    return group


def _common_attributes(gpus: list[Gpu]) -> dict[str, Attribute]:
    """Return the attributes of a group. Where models of one name differ in memory, the least is promised."""
    attributes = dict(gpus[0].attributes)
    sizes = [gpu.memory_mb for gpu in gpus if gpu.memory_mb is not None]
    if sizes:
        attributes["memory"] = Quantity(min(sizes), "MiB")
    return attributes


def _make_attribute(value: Attribute) -> Any:
    if isinstance(value, Quantity):
        return messages.Attribute(int_val=value.value, unit=value.unit)
    if isinstance(value, bool):
        return messages.Attribute(bool_val=value)
    return messages.Attribute(int_val=value) if isinstance(value, int) else messages.Attribute(string_val=value)


def _make_stats(figures: Figures, now_s: float) -> Any:
    memory = _make_value(figures.memory_used_mb, "MiB", "UsedMemory / TotalMemory", figures.memory_total_mb)
    stats = messages.DeviceStats(summary=memory)
    stats.timestamp.seconds, stats.timestamp.nanos = divmod(int(now_s * 1e9), 10**9)
    values = {
        "GPU utilization": _make_value(figures.utilization_percent, "%", "Percent of time that a kernel ran"),
        "Memory state": memory,
        "Power usage": _make_value(figures.power_w, "W", "Power / limit", figures.power_limit_w),
        "Temperature": _make_value(figures.temperature_c, "C", "Temperature of the GPU"),
    }
    for name, value in values.items():
        stats.stats.attributes[name].CopyFrom(value)
    return stats


def _make_value(value: int | None, unit: str, about: str, of: int | None = None) -> Any:
    if value is None:
        return messages.StatValue(string_val=messages.Text(value=NOT_KNOWN), unit=unit, desc=about)
    made = messages.StatValue(int_numerator_val=messages.Int(value=value), unit=unit, desc=about)
    if of is not None:
        made.int_denominator_val.value = of
    return made
