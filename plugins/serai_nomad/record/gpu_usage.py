"""What a replica's GPUs do, from a device plugin's statistics; the names are those of NVIDIA's plugin and of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from serai.domain.observation import GpuUsage
from serai_nomad.facts import Json
from serai_nomad.names import TASK

from .log_files import parse_time

UTILIZATION, MEMORY = "GPU utilization", "Memory state"
TEMPERATURE, POWER = "Temperature", "Power usage"
# A plugin that hangs keeps its devices and repeats its last figures: those are not today's.
_STALE = timedelta(seconds=60)
_UNITS = {"": 1, "B": 1, "BYTES": 1, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_CELSIUS = {"": 1.0, "C": 1.0}
_WATTS = {"": 1.0, "W": 1.0, "mW": 0.001}


def derive_gpus(stats: Json, at: datetime) -> tuple[GpuUsage, ...]:
    """Return the devices of a replica in the order of their ids; figures that are missing or old are None."""
    found = {gpu.id: gpu for gpu in _read_devices(stats, at)}
    return tuple(found[id] for id in sorted(found))


def _read_devices(stats: Json, at: datetime) -> Iterator[GpuUsage]:
    for group in _groups(stats):
        for id, instance in (group.get("InstanceStats") or {}).items():
            figures = {} if _is_stale(instance, at) else (instance.get("Stats") or {}).get("Attributes") or {}
            memory = figures.get(MEMORY) or {}
            yield GpuUsage(
                id=id,
                model=str(group.get("Name") or ""),
                util=_number(figures.get(UTILIZATION) or {}, "Numerator"),
                vram_used_bytes=_bytes(memory, "Numerator"),
                vram_total_bytes=_bytes(memory, "Denominator"),
                temperature_c=_number_in(figures.get(TEMPERATURE) or {}, _CELSIUS),
                power_w=_number_in(figures.get(POWER) or {}, _WATTS),
            )


def _groups(stats: Json) -> list[Json]:
    """Return the devices of the task, or those of the whole allocation where Nomad names them there only."""
    task = (stats.get("Tasks") or {}).get(TASK) or {}
    return (
        (task.get("ResourceUsage") or {}).get("DeviceStats")
        or (stats.get("ResourceUsage") or {}).get("DeviceStats")
        or []
    )


def _is_stale(instance: Json, at: datetime) -> bool:
    stamp = instance.get("Timestamp")
    return bool(stamp) and at - parse_time(str(stamp)) > _STALE


def _number(value: Json, part: str) -> float | None:
    """Return a figure, None where it is text such as N/A."""
    for kind in ("Int", "Float"):
        if (found := value.get(f"{kind}{part}Val")) is not None:
            return float(found)
    return None


def _number_in(value: Json, units: Mapping[str, float]) -> float | None:
    number, factor = _number(value, "Numerator"), units.get(str(value.get("Unit") or ""))
    return None if number is None or factor is None else number * factor


def _bytes(value: Json, part: str) -> int | None:
    number, unit = _number(value, part), _UNITS.get(str(value.get("Unit") or "").upper())
    return None if number is None or unit is None else round(number * unit)
