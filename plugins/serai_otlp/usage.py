"""Samples of replicas as gauges. What is not known has no point, never 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from opentelemetry.sdk.metrics.export import Gauge, Metric, NumberDataPoint

from serai.domain.errors import Invalid
from serai.domain.names import parse_workload_id
from serai.domain.observation import GpuUsage, Usage

from .metrics import describe_replica
from .wire import Value, make_attributes, to_ns

_REPLICA: tuple[tuple[str, str, str, Callable[[Usage], float | None], Mapping[str, Value]], ...] = (
    ("serai.replica.cpu.usage", "{cpu}", "Cores that are busy.", lambda s: s.cpu_user, {"cpu.mode": "user"}),
    ("serai.replica.cpu.usage", "{cpu}", "Cores that are busy.", lambda s: s.cpu_system, {"cpu.mode": "system"}),
    ("serai.replica.cpu.limit", "{cpu}", "Cores that a replica may use.", lambda s: s.cpu_cores, {}),
    ("serai.replica.memory.usage", "By", "Memory in use.", lambda s: s.memory_used_bytes, {}),
    ("serai.replica.memory.limit", "By", "Memory that a replica may use.", lambda s: s.memory_total_bytes, {}),
    ("serai.replica.disk.usage", "By", "What the replica's folder takes.", lambda s: s.disk_used_bytes, {}),
    ("serai.replica.disk.limit", "By", "Disk that a replica was promised.", lambda s: s.disk_total_bytes, {}),
    ("serai.replica.restarts", "{restart}", "How often its process was started again.", lambda s: s.restarts, {}),
)
_GPU: tuple[tuple[str, str, str, Callable[[GpuUsage], float | None]], ...] = (
    ("hw.gpu.utilization", "1", "Part of the time that the GPU worked.", lambda gpu: _share(gpu.util)),
    ("hw.gpu.memory.usage", "By", "Memory of the GPU in use.", lambda gpu: gpu.vram_used_bytes),
    ("hw.gpu.memory.limit", "By", "Memory of the GPU.", lambda gpu: gpu.vram_total_bytes),
    ("hw.temperature", "Cel", "Temperature of the GPU.", lambda gpu: gpu.temperature_c),
    ("hw.power", "W", "Power of the GPU.", lambda gpu: gpu.power_w),
)
_Key = tuple[str, str, str]  # name, unit, description


def make_usage_metrics(samples: Sequence[Usage]) -> list[Metric]:
    """Return gauges of the samples whose workload is a version of ours."""
    points: dict[_Key, list[NumberDataPoint]] = {}
    for sample in samples:
        replica = _find_replica(sample)
        for key, value, attributes in _read(sample) if replica else ():
            if value is not None:
                points.setdefault(key, []).append(_make_point(sample, value, {**replica, **attributes}))
    return [Metric(name, about, unit, Gauge(found)) for (name, unit, about), found in points.items()]


def _find_replica(sample: Usage) -> Mapping[str, Value]:
    """Return whose sample it is; nothing where it is nobody's."""
    try:
        return describe_replica(*parse_workload_id(sample.workload), sample.replica)
    except Invalid:
        return {}


def _read(sample: Usage) -> Iterator[tuple[_Key, float | None, Mapping[str, Value]]]:
    for name, unit, about, read, attributes in _REPLICA:
        yield (name, unit, about), read(sample), attributes
    for gpu in sample.gpus:
        card: Mapping[str, Value] = {"hw.id": gpu.id, "hw.name": gpu.model, "hw.type": "gpu"}
        for name, unit, about, find in _GPU:
            yield (name, unit, about), find(gpu), card


def _make_point(sample: Usage, value: float, attributes: Mapping[str, Value]) -> NumberDataPoint:
    at = to_ns(sample.at)
    return NumberDataPoint(make_attributes(attributes), start_time_unix_nano=at, time_unix_nano=at, value=value)


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
