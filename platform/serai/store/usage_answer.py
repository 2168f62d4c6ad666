"""What replicas used, as a query answers it, and its JSON form. None is a gap: nothing was measured then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from serai.domain.spec_text import JsonObject

from .usage_figures import GPU_MEASURES, REPLICA_MEASURES

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Each measure's average and greatest value by its name, one for each instant of the answer."""

    avg: Mapping[str, Values]
    max: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class GpuCurves:
    id: str
    model: str
    curves: Curves


@dataclass(frozen=True, slots=True)
class ReplicaCurves:
    version: int
    replica: str
    curves: Curves
    gpus: tuple[GpuCurves, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionCurves:
    """All replicas of a version together: sums of averages. `replicas` counts those that were measured.

    `gpus` is over all GPUs: memory and power as sums, utilisation and temperature as means.
    """

    version: int
    replicas: tuple[int, ...]
    own: Mapping[str, Values]
    gpus: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class SystemMetrics:
    """Curves over [start_at, end_at); `times` are the starts of the intervals, without a gap."""

    start_at: datetime
    end_at: datetime
    interval_s: int
    times: tuple[datetime, ...]
    replicas: tuple[ReplicaCurves, ...]

    def versions(self) -> tuple[VersionCurves, ...]:
        """Return the sums over the replicas of each version."""
        numbers = sorted({replica.version for replica in self.replicas})
        return tuple(_sum_version(n, [r for r in self.replicas if r.version == n]) for n in numbers)


def _sum_version(version: int, replicas: Sequence[ReplicaCurves]) -> VersionCurves:
    own = {name: _sum(replica.curves.avg[name] for replica in replicas) for name in REPLICA_MEASURES}
    gpus = [gpu.curves.avg for replica in replicas for gpu in replica.gpus]
    shared = {name: _sum(curves[name] for curves in gpus) for name in GPU_MEASURES} if gpus else {}
    for name in ("util", "temperature") if gpus else ():
        shared[name] = _mean(curves[name] for curves in gpus)
    measured = zip(*(_is_known(replica.curves.avg) for replica in replicas), strict=True)
    return VersionCurves(version, tuple(map(sum, measured)), own, shared)


def _is_known(curves: Mapping[str, Values]) -> list[bool]:
    return [any(value is not None for value in values) for values in zip(*curves.values(), strict=True)]


def _known(columns: Iterable[Values]) -> list[list[float]]:
    return [[value for value in values if value is not None] for values in zip(*columns, strict=True)]


def _sum(columns: Iterable[Values]) -> Values:
    return tuple(sum(values) if values else None for values in _known(columns))


def _mean(columns: Iterable[Values]) -> Values:
    return tuple(sum(values) / len(values) if values else None for values in _known(columns))


def dump_system(found: SystemMetrics) -> JsonObject:
    """Return `{interval, from, to, times, replicas, versions}`: columns as long as `times`, with null for gaps."""
    return {
        "interval": found.interval_s,
        "from": _dump_at(found.start_at),
        "to": _dump_at(found.end_at),
        "times": [_dump_at(at) for at in found.times],
        "replicas": [_dump_replica(replica) for replica in found.replicas],
        "versions": [
            {"version": one.version, "replicas": list(one.replicas)}
            | _dump_values(one.own)
            | {"gpus": _dump_values(one.gpus) or None}
            for one in found.versions()
        ],
    }


def _dump_replica(replica: ReplicaCurves) -> JsonObject:
    gpus = [{"id": gpu.id, "model": gpu.model} | _dump_curves(gpu.curves) for gpu in replica.gpus]
    return {"replica": replica.replica, "version": replica.version} | _dump_curves(replica.curves) | {"gpus": gpus}


def _dump_curves(curves: Curves) -> JsonObject:
    return _dump_values(curves.avg) | {"max": _dump_values(curves.max)}


def _dump_values(values: Mapping[str, Values]) -> JsonObject:
    return {name: list(column) for name, column in values.items()}


def _dump_at(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
