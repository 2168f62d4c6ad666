"""Buckets in the database: figures are added to what is there, many in one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from .database import Database
from .metrics_figures import Figures, encode_digest
from .metrics_rows import BucketRow

BucketKey = tuple[int, int, int]
"""Series, step in seconds, start in epoch seconds."""

_BATCH = 250  # rows of a statement; their values stay below every limit of parameters
FIGURES = (
    BucketRow.count,
    BucketRow.sum_s,
    BucketRow.min_s,
    BucketRow.max_s,
    BucketRow.digest,
    BucketRow.bytes_in,
    BucketRow.bytes_out,
)
"""What a query selects for `Figures.add_stored`."""
_COLUMNS = ("series", "step", "at", *(column.column_name for column in FIGURES))
_T = TypeVar("_T")


def add_buckets(db: Database, added: Mapping[BucketKey, Figures]) -> None:
    """Add figures to the buckets, making those that are missing. Inside of a write."""
    for key, stored in _load_buckets(db, added):
        added[key].add_all(stored)
    put_buckets(db, added)


def put_buckets(db: Database, figures: Mapping[BucketKey, Figures]) -> None:
    """Write buckets in place of what is there. Inside of a write.

    Plain SQL: building this as a peewee query takes longer than running it.
    """
    mark = db.peewee.param
    row = f"({', '.join([mark] * len(_COLUMNS))})"
    kept = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[3:])
    for batch in in_batches(list(figures.items()), _BATCH):
        values = [column for key, value in batch for column in (*key, *_columns_of(value))]
        db.peewee.execute_sql(
            f"INSERT INTO metric_bucket ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * len(batch))}"  # noqa: S608
            f" ON CONFLICT (series, step, at) DO UPDATE SET {kept}",
            values,
        )


def in_batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Yield `items` in slices of at most `size`."""
    return (items[first : first + size] for first in range(0, len(items), size))


def _columns_of(figures: Figures) -> tuple[int, float, float, float, bytes, int, int]:
    digest = encode_digest(figures.packed)
    return (
        figures.count, figures.sum_s, figures.min_s, figures.max_s, digest, figures.bytes_in, figures.bytes_out
    )  # fmt: skip


def _load_buckets(db: Database, keys: Iterable[BucketKey]) -> Iterator[tuple[BucketKey, Figures]]:
    at_once: dict[tuple[int, int], list[int]] = defaultdict(list)
    for series, step_s, start in keys:
        at_once[step_s, start].append(series)
    for (step_s, start), numbers in at_once.items():
        for batch in in_batches(numbers, _BATCH):
            for series, *columns in _select(db, step_s, start, batch):
                figures = Figures()
                figures.add_stored(*columns)
                yield (series, step_s, start), figures


def _select(db: Database, step_s: int, start: int, series: Sequence[int]) -> list[tuple[Any, ...]]:
    row = BucketRow
    query = row.select(row.series, *FIGURES).where(row.series.in_(series), row.step == step_s, row.at == start)
    return list(query.tuples().execute(db.peewee))
