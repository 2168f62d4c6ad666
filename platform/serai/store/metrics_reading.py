"""Read stored figures of requests: whose, from which buckets, added up by the buckets of the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import peewee

from .database import Database
from .metrics_buckets import FIGURES
from .metrics_figures import Figures
from .metrics_levels import Level, Read, floor_to
from .metrics_rows import EVERY_REPLICA, EVERY_STATUS, BucketRow, SeriesRow

Cells = dict[tuple[int, str], Figures]
"""Figures by the start of the answer's bucket and the clock."""
_EVER_S = 10**12
_BUCKETS = (
    f"SELECT b.at, s.clock, {', '.join(f'b.{column.column_name}' for column in FIGURES)}"  # noqa: S608
    " FROM metric_series s JOIN metric_bucket b ON b.series = s.id"
    " WHERE s.deployment = {0} AND s.replica = {0} AND s.status = {0}"
    " AND b.step = {0} AND b.at >= {0} AND b.at < {0}"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose requests; None is all."""

    deployment: str
    version: int | None = None
    replica: str | None = None
    status: str | None = None


def load_sums(db: Database, reads: Iterable[Read], chosen: Chosen) -> dict[str, Figures]:
    """Return the figures of what is chosen by the clock, in all `reads` together. Inside of a read."""
    return {clock: figures for (_, clock), figures in load_cells(db, reads, chosen, _EVER_S).items()}


def load_cells(db: Database, reads: Iterable[Read], chosen: Chosen, interval_s: int) -> Cells:
    """Return the figures of what is chosen; buckets without a request are not there. Inside of a read."""
    cells: Cells = {}
    for read in reads:
        for at, clock, *columns in _select(db, read, chosen):
            cells.setdefault((floor_to(at, interval_s), clock), Figures()).add_stored(*columns)
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
    values = [chosen.deployment, *_owner(chosen), read.step_s, read.start, read.end]
    sql = _BUCKETS
    if chosen.version is not None:
        values.append(chosen.version)
        sql += " AND s.version = {0}"
    # Plain SQL and the driver's own rows: peewee's take as long as adding them up.
    return db.peewee.execute_sql(sql.format(db.peewee.param), values)  # type: ignore[no-any-return]


def _first_of(db: Database, chosen: Chosen, step_s: int) -> int | None:
    # By series, each of which is one look into the key; the least over a join would read all of it.
    own = BucketRow.select(peewee.fn.MIN(BucketRow.at)).where(
        BucketRow.series == SeriesRow.id, BucketRow.step == step_s
    )
    rows = SeriesRow.select(own).where(_matches(chosen)).tuples().execute(db.peewee)
    return min((first for (first,) in rows if first is not None), default=None)


def _matches(chosen: Chosen) -> peewee.Expression:
    """Return the condition on series, which is one of each version and clock."""
    replica, status = _owner(chosen)
    where = (SeriesRow.deployment == chosen.deployment) & (SeriesRow.replica == replica) & (SeriesRow.status == status)
    return where if chosen.version is None else where & (SeriesRow.version == chosen.version)


def _owner(chosen: Chosen) -> tuple[str, str]:
    """Return the replica and the status of the series that counts what is chosen."""
    return (
        EVERY_REPLICA if chosen.replica is None else chosen.replica,
        EVERY_STATUS if chosen.status is None else chosen.status,
    )
