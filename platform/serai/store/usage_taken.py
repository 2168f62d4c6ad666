"""Take samples of replicas into the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from serai.domain.names import parse_workload_id
from serai.domain.observation import GpuUsage, Usage

from .database import Database
from .metrics_levels import floor_to
from .usage_buckets import SAMPLE_S, UsageKey, put_usage
from .usage_figures import UsageFigures, make_figures
from .usage_rows import UsageSeriesRow

_Owner = tuple[str, int, str, str]  # deployment, version, replica, device


def take_usage(db: Database, samples: Iterable[Usage], workload_of: Mapping[str, str]) -> int:
    """Keep samples of the replicas that `workload_of` maps to workload ids; return how many rows were offered.

    One sample for each replica and 10 s: a sample that a scheduler gives again, because it has no newer one, changes
    nothing, so that what was not measured stays a gap.
    """
    owned = [
        (owner, model, floor_to(sample.at.timestamp(), SAMPLE_S), figures)
        for sample in samples
        if sample.replica in workload_of
        for owner, model, figures in _split(sample, workload_of[sample.replica])
        if figures.cells
    ]
    if not owned:
        return 0
    with db.write():
        numbers = _number(db, {owner: model for owner, model, _, _ in owned})
        buckets: dict[UsageKey, UsageFigures] = {
            (numbers[owner], SAMPLE_S, at): figures for owner, _, at, figures in owned
        }
        put_usage(db, buckets, replace=False)
    return len(buckets)


def _split(sample: Usage, workload: str) -> Iterator[tuple[_Owner, str, UsageFigures]]:
    """Yield the figures of the replica and of each of its GPUs."""
    deployment, version = parse_workload_id(workload)
    yield (deployment, version, sample.replica, ""), "", make_figures(_values_of_replica(sample))
    for gpu in sample.gpus:
        yield (deployment, version, sample.replica, gpu.id), gpu.model, make_figures(_values_of(gpu))


def _values_of_replica(sample: Usage) -> Sequence[float | None]:
    """Return the values of REPLICA_MEASURES."""
    return (
        sample.cpu_user,
        sample.cpu_system,
        sample.cpu_cores,
        sample.memory_used_bytes,
        sample.memory_total_bytes,
        sample.disk_used_bytes,
        sample.disk_total_bytes,
        sample.restarts,
    )


def _values_of(gpu: GpuUsage) -> Sequence[float | None]:
    """Return the values of GPU_MEASURES."""
    return gpu.util, gpu.vram_used_bytes, gpu.vram_total_bytes, gpu.temperature_c, gpu.power_w


def _number(db: Database, owners: Mapping[_Owner, str]) -> dict[_Owner, int]:
    """Return the id of every series, making those that are new. Inside of a write."""
    numbers = _find(db, owners)
    new = [(*owner, model) for owner, model in owners.items() if owner not in numbers]
    if new:
        row = UsageSeriesRow
        fields = [row.deployment, row.version, row.replica, row.device, row.model]
        row.insert_many(new, fields=fields).execute(db.peewee)
        numbers |= _find(db, owners)
    return numbers


def _find(db: Database, owners: Iterable[_Owner]) -> dict[_Owner, int]:
    row = UsageSeriesRow
    found: dict[_Owner, int] = {}
    for deployment in {owner[0] for owner in owners}:
        query = row.select(row.deployment, row.version, row.replica, row.device, row.id).where(
            row.deployment == deployment
        )
        found |= {(d, v, r, g): number for d, v, r, g, number in query.tuples().execute(db.peewee)}
    return found
