"""Figures as charts, without drawing any: curves by name over the same instants, for the page, its tables and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from serai.domain.window import Clock
from serai.store.metrics import RequestMetrics
from serai.store.metrics_answer import PERCENTILES, Times
from serai.store.usage import SystemMetrics
from serai.store.usage_answer import Values

from .words import short_replica


@dataclass(frozen=True, slots=True)
class Curve:
    """Values by instant; None is a gap. `hue` and `dash` number its colour and its pattern; `shown`: from the start."""

    name: str
    values: Values
    hue: int
    dash: int = 0
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves of one unit: requests, seconds, cores, bytes or percent. `kind` is bars or lines."""

    id: str
    title: str
    unit: str
    curves: tuple[Curve, ...]
    kind: str = "lines"

    @property
    def is_empty(self) -> bool:
        return all(value is None for curve in self.curves for value in curve.values)


def make_request_charts(found: RequestMetrics) -> tuple[Chart, Chart]:
    """Return the counts as bars and the times as curves, in the order of a legend."""
    times = [clocks[Clock.TOTAL] for _, clocks in found.buckets]
    counts = Curve("requests", tuple(float(one.count) for one in times), 0)
    named: list[tuple[str, Callable[[Times], float | None]]] = [
        ("avg", lambda one: one.avg_s),
        ("max", lambda one: one.max_s),
        *((f"p{percent}", _percentile(place)) for place, percent in enumerate(PERCENTILES)),
    ]
    # The greatest flattens all others: it is there, and shown when it is asked for.
    curves = (
        Curve(name, tuple(read(one) for one in times), hue, hue % 4, shown=name != "max")
        for hue, (name, read) in enumerate(named)
    )
    return Chart("count", "Requests", "requests", (counts,), "bars"), Chart("time", "Time", "seconds", tuple(curves))


def _percentile(place: int) -> Callable[[Times], float | None]:
    return lambda one: None if one.percentiles is None else one.percentiles[place]


@dataclass(frozen=True, slots=True)
class _Source:
    """Whose curves: all replicas of a version together, or one replica; `gpus` by the name to show."""

    name: str
    own: Mapping[str, Values]
    gpus: tuple[tuple[str, Mapping[str, Values]], ...]


def make_system_charts(found: SystemMetrics, name: str, *, apart: bool) -> list[Chart]:
    """Return CPU, memory, and GPUs where there are any, of each replica or of each version's replicas together."""
    sources = list(_apart(found, name) if apart else _together(found))
    gpus = [(label, curves) for source in sources for label, curves in source.gpus]
    charts = [
        Chart("cpu", "CPU", "cores", tuple(_cpu(sources))),
        Chart("memory", "Memory", "bytes", _memory(sources)),
        Chart("share", "Memory of its limit", "percent", tuple(_share(sources))),
    ]
    if gpus:
        used = [Curve(label, curves["util"], hue) for hue, (label, curves) in enumerate(gpus)]
        charts += [Chart("gpu", "GPU utilisation", "percent", tuple(used))]
        charts += [Chart("vram", "GPU memory", "bytes", _parts(gpus, "vram_used", "vram_total"))]
    return charts


def _cpu(sources: Sequence[_Source]) -> Iterator[Curve]:
    for hue, source in enumerate(sources):
        for dash, measure in enumerate(("user", "system", "cores")):
            yield Curve(_join(source.name, measure), source.own[f"cpu_{measure}"], hue, dash, measure != "cores")


def _memory(sources: Sequence[_Source]) -> tuple[Curve, ...]:
    return _parts([(source.name, source.own) for source in sources], "memory_used", "memory_total")


def _share(sources: Sequence[_Source]) -> Iterator[Curve]:
    for hue, source in enumerate(sources):
        pairs = zip(source.own["memory_used"], source.own["memory_total"], strict=True)
        values = tuple(None if used is None or not total else 100 * used / total for used, total in pairs)
        yield Curve(_join(source.name, "used"), values, hue)


def _parts(named: Sequence[tuple[str, Mapping[str, Values]]], used: str, total: str) -> tuple[Curve, ...]:
    return tuple(
        Curve(_join(name, word), curves[measure], hue, dash)
        for hue, (name, curves) in enumerate(named)
        for dash, (word, measure) in enumerate((("used", used), ("total", total)))
    )


def _apart(found: SystemMetrics, name: str) -> Iterator[_Source]:
    for replica in found.replicas:
        label = f"v{replica.version} {short_replica(replica.replica, f'{name}-v{replica.version}')}"
        gpus = ((f"{label} GPU {gpu.id}", gpu.curves.avg) for gpu in replica.gpus)
        yield _Source(label, replica.curves.avg, tuple(gpus))


def _together(found: SystemMetrics) -> Iterator[_Source]:
    versions = found.versions()
    for one in versions:
        label = f"v{one.version}" if len(versions) > 1 else ""
        yield _Source(label, one.own, ((label or "all GPUs", one.gpus),) if one.gpus else ())


def _join(name: str, word: str) -> str:
    return f"{name} {word}".strip()


def find_gaps(times: Sequence[datetime], charts: Sequence[Chart]) -> int:
    """Return how many instants have no value at all between the first and the last that have one."""
    known = [
        any(curve.values[place] is not None for chart in charts for curve in chart.curves)
        for place in range(len(times))
    ]
    if True not in known:
        return 0
    last = len(known) - known[::-1].index(True)
    return known[known.index(True) : last].count(False)
