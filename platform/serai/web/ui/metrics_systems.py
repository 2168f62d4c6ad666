"""What replicas use as charts: CPU, memory, GPUs, disk, restarts; of each replica, or a version's replicas together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from serai.store.usage import SystemMetrics
from serai.store.usage_answer import Values

from .metrics_curves import Chart, Curve, join_words
from .words import short_replica

_HUES = 8  # colours of charts.css: the ninth curve has the first one's, and another pattern

_Named = tuple[str, Mapping[str, Values]]


@dataclass(frozen=True, slots=True)
class _Source:
    """Whose curves: all replicas of a version together, or one replica; `gpus` by the name to show."""

    name: str
    own: Mapping[str, Values]
    gpus: tuple[tuple[str, Mapping[str, Values]], ...]


def make_system_charts(found: SystemMetrics, name: str, *, apart: bool) -> list[Chart]:
    """Return CPU and memory, and what else there is: GPUs, disk, and restarts if any replica was started again."""
    sources = list(_apart(found, name) if apart else _together(found))
    charts = [
        Chart("cpu", "CPU", "cores", tuple(_cpu(sources, apart=apart))),
        Chart("memory", "Memory", "bytes", _pairs([(one.name, one.own) for one in sources], "memory", "limit")),
        Chart("share", "Memory of its limit", "percent", tuple(_share(sources))),
    ]
    gpus = [(label, curves) for source in sources for label, curves in source.gpus]
    return [*charts, *(_gpu_charts(gpus) if gpus else ()), *_other_charts([(one.name, one.own) for one in sources])]


def _other_charts(named: Sequence[_Named]) -> Iterator[Chart]:
    disk = Chart("disk", "Disk", "bytes", _pairs(named, "disk", "promised"))
    if not disk.is_empty:
        yield disk
    restarts = Chart("restarts", "Restarts", "restarts", _singles(named, "restarts", "restarts"))
    if any(value for curve in restarts.curves for value in curve.values):
        yield restarts


def _gpu_charts(gpus: Sequence[_Named]) -> list[Chart]:
    charts = [
        Chart("gpu", "GPU utilisation", "percent", _singles(gpus, "util")),
        Chart("vram", "GPU memory", "bytes", _pairs(gpus, "vram", "total")),
        Chart("heat", "GPU temperature", "celsius", _singles(gpus, "temperature")),
        Chart("power", "GPU power", "watts", _singles(gpus, "power")),
    ]
    return [chart for chart in charts if chart.id in {"gpu", "vram"} or not chart.is_empty]


def _cpu(sources: Sequence[_Source], *, apart: bool) -> Iterator[Curve]:
    for hue, source in enumerate(sources):
        for dash, measure in enumerate(("user", "system", "cores")):
            # The cores of each replica lie on top of each other; those of all together are what one compares with.
            shown = measure != "cores" or not apart
            yield Curve(join_words(source.name, measure), source.own[f"cpu_{measure}"], hue, dash, shown)


def _share(sources: Sequence[_Source]) -> Iterator[Curve]:
    for hue, source in enumerate(sources):
        pairs = zip(source.own["memory_used"], source.own["memory_total"], strict=True)
        values = tuple(None if used is None or not total else 100 * used / total for used, total in pairs)
        yield Curve(join_words(source.name, "used"), values, hue, hue // _HUES)


def _singles(named: Sequence[_Named], measure: str, word: str = "") -> tuple[Curve, ...]:
    """Return one curve for each; `word` is the name of the only one where it has none."""
    return tuple(Curve(name or word, curves[measure], hue, hue // _HUES) for hue, (name, curves) in enumerate(named))


def _pairs(named: Sequence[_Named], measure: str, most: str) -> tuple[Curve, ...]:
    """Return what is used and the most that could be, which has the same colour and another pattern."""
    return tuple(
        Curve(join_words(name, word), curves[f"{measure}_{key}"], hue, dash)
        for hue, (name, curves) in enumerate(named)
        for dash, (word, key) in enumerate((("used", "used"), (most, "total")))
    )


def _apart(found: SystemMetrics, name: str) -> Iterator[_Source]:
    for replica in found.replicas:
        label = name_replica(name, replica.version, replica.replica)
        gpus = ((f"{label} GPU {gpu.id}", gpu.curves.avg) for gpu in replica.gpus)
        yield _Source(label, replica.curves.avg, tuple(gpus))


def _together(found: SystemMetrics) -> Iterator[_Source]:
    versions = found.versions()
    for one in versions:
        label = f"v{one.version}" if len(versions) > 1 else ""
        yield _Source(label, one.own, ((label or "all GPUs", one.gpus),) if one.gpus else ())


def name_replica(name: str, version: int, replica: str) -> str:
    """Return a replica as its curve is called: `v3 3g4i`; "" is what reached no replica."""
    if not replica:
        return join_words(f"v{version}" if version else "", "no replica")
    return f"v{version} {short_replica(replica, f'{name}-v{version}')}"
