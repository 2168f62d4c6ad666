"""Step 9: figures of requests summed up over the statuses of a replica, and over the replicas by a status."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import peewee

_Row: TypeAlias = tuple[Any, ...]
_FIGURES = "at, count, sum_s, min_s, max_s, digest, bytes_in, bytes_out"
_SERIES = "deployment, version, replica, status, clock"
_STEPS_S = (60, 900, 3600, 86400)
_BATCH = 100


def apply(engine: peewee.Database) -> None:
    engine.execute_sql("UPDATE metric_series SET replica = ' ' WHERE status = ''")
    engine.execute_sql("CREATE INDEX metric_series_sums ON metric_series (deployment, replica, status)")
    query = f"SELECT {_SERIES} FROM metric_series WHERE status <> '' ORDER BY id"  # noqa: S608
    for sums, condition in (
        (lambda of: (*of[:3], "", of[4]), "replica = {2} AND status <> {3}"),
        (lambda of: (*of[:2], " ", *of[3:]), "replica <> {2} AND status = {3}"),
    ):
        for of in dict.fromkeys(map(sums, engine.execute_sql(query).fetchall())):
            members = f"deployment = {{0}} AND version = {{1}} AND {condition} AND clock = {{4}}"
            _add_sum(engine, of, members.format(*[engine.param] * 5))


def _add_sum(engine: peewee.Database, of: _Row, members: str) -> None:
    """Make the series `of`, with the sums of the series that `members` picks; both have the same parameters."""
    mark, found = engine.param, f"SELECT id FROM metric_series WHERE {members}"  # noqa: S608
    ids = [id for (id,) in engine.execute_sql(found, of).fetchall()]
    engine.execute_sql(f"INSERT INTO metric_series ({_SERIES}) VALUES ({', '.join([mark] * 5)})", of)  # noqa: S608
    own = " AND ".join(f"{column} = {mark}" for column in _SERIES.split(", "))
    ((series,),) = engine.execute_sql(f"SELECT id FROM metric_series WHERE {own}", of).fetchall()  # noqa: S608
    for step_s in _STEPS_S:
        rows = [row for batch in _in_batches(ids) for row in _load(engine, step_s, batch)]
        rows.sort(key=itemgetter(0))
        buckets = [(series, step_s, *_sum(list(same))) for _, same in groupby(rows, itemgetter(0))]
        for batch in _in_batches(buckets):
            _insert(engine, batch)


def _load(engine: peewee.Database, step_s: int, ids: Sequence[int]) -> Iterable[_Row]:
    sql = f"SELECT {_FIGURES} FROM metric_bucket WHERE series IN ({', '.join([engine.param] * len(ids))})"  # noqa: S608
    return engine.execute_sql(f"{sql} AND step = {engine.param}", (*ids, step_s)).fetchall()  # type: ignore[no-any-return]


def _insert(engine: peewee.Database, buckets: Sequence[_Row]) -> None:
    row = f"({', '.join([engine.param] * 10)})"
    values = [value for bucket in buckets for value in bucket]
    rows = ", ".join([row] * len(buckets))
    engine.execute_sql(f"INSERT INTO metric_bucket (series, step, {_FIGURES}) VALUES {rows}", values)  # noqa: S608


def _in_batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[first : first + _BATCH] for first in range(0, len(items), _BATCH))


def _sum(rows: Sequence[_Row]) -> _Row:
    if len(rows) == 1:
        return rows[0]
    at, counts, sums_s, mins_s, maxs_s, digests, bytes_in, bytes_out = zip(*rows, strict=True)
    digest = _encode(sum(map(_decode, digests)))
    return at[0], sum(counts), sum(sums_s), min(mins_s), max(maxs_s), digest, sum(bytes_in), sum(bytes_out)


def _encode(packed: int) -> bytes:
    """Return a stored digest as it is at this step: first bucket (16 bits), count of planes (8 bits), planes."""
    raw = packed.to_bytes(-(-packed.bit_length() // 64) * 8, "little")
    first = (len(raw) - len(raw.lstrip(b"\0"))) // 8
    planes = [raw[8 * first :][place::8] for place in range(8)]
    while planes and not any(planes[-1]):
        planes.pop()
    return first.to_bytes(2, "little") + bytes([len(planes)]) + zlib.compress(b"".join(planes), 1)


def _decode(digest: bytes) -> int:
    first, width, planes = int.from_bytes(digest[:2], "little"), digest[2], zlib.decompress(digest[3:])
    length = len(planes) // width if width else 0
    raw = bytearray(8 * length)
    for place in range(width):
        raw[place::8] = planes[place * length : (place + 1) * length]
    return int.from_bytes(raw, "little") << (64 * first)
