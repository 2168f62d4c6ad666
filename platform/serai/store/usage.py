"""What replicas used over time: what the rest of Serai calls. Samples in, curves out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .database import Database
from .metrics_levels import INTERVALS_S, Range, Read, check_asked, check_size, derive_range, floor_to, plan_reads
from .usage_answer import Curves, GpuCurves, ReplicaCurves, SystemMetrics, dump_system
from .usage_buckets import SAMPLE_S, load_usage_levels
from .usage_figures import GPU_MEASURES, GROWING, REPLICA_MEASURES, UsageFigures, decode
from .usage_prune import delete_usage, prune_usage
from .usage_rollup import roll_up_usage
from .usage_rows import UsageBucketRow, UsageSeriesRow
from .usage_taken import take_usage

__all__ = [
    "USAGE_INTERVALS_S",
    "SystemMetrics",
    "delete_usage",
    "dump_system",
    "load_usage",
    "prune_usage",
    "roll_up_usage",
    "take_usage",
]

USAGE_INTERVALS_S = (SAMPLE_S, *INTERVALS_S)
MAX_TIMES = 11_000
_Owner = tuple[int, str, str, str]  # version, replica, device, model
_Cells = dict[_Owner, dict[int, UsageFigures]]


def load_usage(
    db: Database,
    deployment: str,
    start_at: datetime,
    end_at: datetime,
    interval_s: int,
    version: int | None = None,
    replica: str | None = None,
) -> SystemMetrics:
    """Return what each replica used in [start_at, end_at), widened to whole samples, averaged over `interval_s`.

    Where samples are too old to be kept, the range and the interval of the answer are wider than asked. Raise Invalid
    for an unknown interval, a range that ends before it starts, or more than MAX_TIMES intervals.
    """
    check_asked(start_at, end_at, interval_s, USAGE_INTERVALS_S)
    with db.read():
        levels = load_usage_levels(db)
        wanted = derive_range(start_at.timestamp(), end_at.timestamp(), interval_s, levels, USAGE_INTERVALS_S)
        check_size(wanted, MAX_TIMES, "intervals")
        owners = _load_owners(db, deployment, version, replica)
        cells = _load_cells(db, plan_reads(wanted, levels), owners, wanted.interval_s)
    return _make_answer(wanted, cells)


def _load_owners(db: Database, deployment: str, version: int | None, replica: str | None) -> dict[int, _Owner]:
    row = UsageSeriesRow
    where = row.deployment == deployment
    if version is not None:
        where &= row.version == version
    if replica is not None:
        where &= row.replica == replica
    query = row.select(row.id, row.version, row.replica, row.device, row.model).where(where)
    return {number: tuple(owner) for number, *owner in query.tuples().execute(db.peewee)}


def _load_cells(db: Database, reads: Iterable[Read], owners: Mapping[int, _Owner], interval_s: int) -> _Cells:
    cells: _Cells = defaultdict(lambda: defaultdict(UsageFigures))
    for read in reads:
        for number, at, figures in _select(db, read, list(owners)):
            cells[owners[number]][floor_to(at, interval_s)].add_all(decode(figures))
    return cells


def _select(db: Database, read: Read, numbers: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    row = UsageBucketRow
    # One statement a series: a range of the key. Replicas are tens, and a list of them would have to be cut up.
    for number in numbers:
        query = row.select(row.series, row.at, row.figures).where(
            row.series == number, row.step == read.step_s, row.at >= read.start, row.at < read.end
        )
        yield from query.tuples().execute(db.peewee)


def _make_answer(wanted: Range, cells: _Cells) -> SystemMetrics:
    starts = wanted.bucket_starts()
    gpus: dict[tuple[int, str], list[GpuCurves]] = defaultdict(list)
    own: dict[tuple[int, str], Curves] = {}
    for (version, replica, device, model), buckets in sorted(cells.items()):
        if device:
            curves = _make_curves(starts, buckets, GPU_MEASURES)
            gpus[version, replica].append(GpuCurves(device, model, curves))
        else:
            own[version, replica] = _make_curves(starts, buckets, REPLICA_MEASURES)
    nothing = _make_curves(starts, {}, REPLICA_MEASURES)
    replicas = (
        ReplicaCurves(*key, own.get(key, nothing), tuple(gpus.get(key, ()))) for key in sorted(own.keys() | gpus.keys())
    )
    times = tuple(_at(start) for start in starts)
    return SystemMetrics(_at(wanted.start), _at(wanted.end), wanted.interval_s, times, tuple(replicas))


def _make_curves(starts: range, buckets: Mapping[int, UsageFigures], names: Sequence[str]) -> Curves:
    nothing = UsageFigures()
    figures = [buckets.get(start, nothing) for start in starts]
    return Curves(
        {name: tuple(_middle(one, place, name) for one in figures) for place, name in enumerate(names)},
        {name: tuple(one.greatest(place) for one in figures) for place, name in enumerate(names)},
    )


def _middle(figures: UsageFigures, place: int, name: str) -> float | None:
    return figures.greatest(place) if name in GROWING else figures.average(place)


def _at(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
