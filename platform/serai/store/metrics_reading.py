"""Read stored figures of requests: whose, from which buckets, added up by the buckets of the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import peewee

from .database import Database
from .metrics_buckets import FIGURES, add_row
from .metrics_figures import Figures
from .metrics_levels import Level, Read, floor_to
from .metrics_rows import WHOLE, BucketRow, SeriesRow

Cells = dict[tuple[int, str], Figures]
"""Figures by the start of the answer's bucket and the clock."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose requests; None is all."""

    deployment: str
    version: int | None = None
    replica: str | None = None
    status: str | None = None


def load_cells(db: Database, reads: Iterable[Read], chosen: Chosen, interval_s: int) -> Cells:
    """Return the figures of what is chosen; buckets without a request are not there. Inside of a read."""
    cells: Cells = {}
    for read in reads:
        for at, clock, *columns in _select(db, read, chosen):
            add_row(cells.setdefault((floor_to(at, interval_s), clock), Figures()), columns)
    return cells


def find_first(db: Database, chosen: Chosen, levels: Iterable[Level]) -> int | None:
    """Return when the first bucket with a request begins (epoch seconds), as exactly as is known. Inside of a read.

    A coarser level knows better only where all of its bucket lies before what the finer ones have.
    """
    found: int | None = None
    for level in levels:
        first = _first_of(db, chosen, level.step_s)
        if first is not None and (found is None or first + level.step_s <= found):
            found = first
    return found


def _select(db: Database, read: Read, chosen: Chosen) -> Iterable[tuple[Any, ...]]:
    """Yield at, clock and FIGURES of the buckets in `read`."""
    bucket = BucketRow
    query = (
        bucket.select(bucket.at, SeriesRow.clock, *FIGURES)
        .join(SeriesRow, on=SeriesRow.id == bucket.series)
        .where(_matches(chosen))
        .where(bucket.step == read.step_s, bucket.at >= read.start, bucket.at < read.end)
    )
    # The driver's own rows: peewee's take as long as adding them up.
    return db.peewee.execute(query)  # type: ignore[no-any-return]


def _first_of(db: Database, chosen: Chosen, step_s: int) -> int | None:
    # By series, each of which is one look into the key; the least over a join would read all of it.
    own = BucketRow.select(peewee.fn.MIN(BucketRow.at)).where(
        BucketRow.series == SeriesRow.id, BucketRow.step == step_s
    )
    rows = SeriesRow.select(own).where(_matches(chosen)).tuples().execute(db.peewee)
    return min((first for (first,) in rows if first is not None), default=None)


def _matches(chosen: Chosen) -> peewee.Expression:
    """Return the condition on series: the sums over replicas and statuses are read when neither is asked for."""
    where = SeriesRow.deployment == chosen.deployment
    if chosen.version is not None:
        where &= SeriesRow.version == chosen.version
    if chosen.replica is None and chosen.status is None:
        return where & (SeriesRow.status == WHOLE)
    if chosen.replica is not None:
        where &= SeriesRow.replica == chosen.replica
    return where & (SeriesRow.status != WHOLE if chosen.status is None else SeriesRow.status == chosen.status)
