"""Numbers of series: found by what they are of, made when figures come for the first time.

Requests are counted in four series: their own, that of all statuses of the replica, that of all replicas by the
status, and that of all of the version. So whatever is asked for is one series of each version, and not a sum of 40.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from serai.domain.window import Clock, SeriesKey

from .database import Database
from .metrics_rows import EVERY_REPLICA, EVERY_STATUS, SeriesRow


def spread(key: SeriesKey) -> tuple[SeriesKey, ...]:
    """Return all series that count what `key` is of; the first is its own."""
    deployment, version, clock = key.deployment, key.version, key.clock
    return (
        key,
        SeriesKey(deployment, version, key.replica, EVERY_STATUS, clock),
        SeriesKey(deployment, version, EVERY_REPLICA, key.status, clock),
        SeriesKey(deployment, version, EVERY_REPLICA, EVERY_STATUS, clock),
    )


def number_series(db: Database, keys: Collection[SeriesKey]) -> dict[SeriesKey, int]:
    """Return the id of every series, making those that are new. Inside of a write."""
    numbers = _find(db, keys)
    new = [key for key in keys if key not in numbers]
    if new:
        rows = [(key.deployment, key.version, key.replica, key.status, key.clock.value) for key in new]
        SeriesRow.insert_many(rows, fields=_COLUMNS).execute(db.peewee)
        numbers |= _find(db, new)
    return {key: numbers[key] for key in keys}


def _find(db: Database, keys: Collection[SeriesKey]) -> dict[SeriesKey, int]:
    replicas: dict[tuple[str, int], set[str]] = defaultdict(set)
    for key in keys:
        replicas[key.deployment, key.version].add(key.replica)
    return {
        SeriesKey(deployment, version, replica, status, Clock(clock)): number
        for (deployment, version), names in replicas.items()
        for number, replica, status, clock in _select(db, deployment, version, names)
    }


def _select(db: Database, deployment: str, version: int, replicas: Collection[str]) -> list[tuple[int, str, str, str]]:
    query = SeriesRow.select(SeriesRow.id, SeriesRow.replica, SeriesRow.status, SeriesRow.clock).where(
        SeriesRow.deployment == deployment, SeriesRow.version == version, SeriesRow.replica.in_(sorted(replicas))
    )
    return list(query.tuples().execute(db.peewee))


_COLUMNS = [SeriesRow.deployment, SeriesRow.version, SeriesRow.replica, SeriesRow.status, SeriesRow.clock]
