"""Request figures of a short span of time: what gateways send and the store keeps, and its JSON form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .spec_text import JsonObject


class Clock(StrEnum):
    """What is timed of a request: all of it, until the first byte of the answer, or held and queued here."""

    TOTAL = "total"
    FIRST_BYTE = "first_byte"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What a series is of. `version` 0 and `replica` "" stand for requests that reached none; status is `2xx`."""

    deployment: str
    version: int
    replica: str
    status: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class Summary:
    """Times in seconds of `count` requests: exact count, sum, least and greatest, and centroids (mean, weight).

    Where the weights are less than the count, the times of the rest are not known. The series of the clock TOTAL hold
    the bytes of the requests' bodies and of their answers' as well, exactly: they are of a request, not of a clock.
    """

    count: int
    sum_s: float
    min_s: float
    max_s: float
    centroids: tuple[tuple[float, float], ...]
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """What one gateway saw from `start` (epoch seconds) for `length_s`; `sequence` makes it be taken once.

    `keys` are the ids of the keys that called, with the instant (epoch seconds) of each one's last request.
    """

    gateway: str
    sequence: int
    start: float
    length_s: float
    series: Mapping[SeriesKey, Summary]
    keys: Mapping[str, float] = field(default_factory=dict)


def dump_window(window: Window) -> JsonObject:
    return {
        "gateway": window.gateway,
        "sequence": window.sequence,
        "start": window.start,
        "length": window.length_s,
        "series": [_dump_series(key, summary) for key, summary in window.series.items()],
        "keys": dict(window.keys),
    }


def load_window(values: Mapping[str, Any]) -> Window:
    """Return the window that `dump_window` wrote. KeyError, TypeError or ValueError where it did not."""
    return Window(
        gateway=str(values["gateway"]),
        sequence=int(values["sequence"]),
        start=float(values["start"]),
        length_s=float(values["length"]),
        series=dict(_load_series(values["series"])),
        keys={str(id): float(at) for id, at in values.get("keys", {}).items()},
    )


def _dump_series(key: SeriesKey, summary: Summary) -> JsonObject:
    sizes = {"bytes_in": summary.bytes_in, "bytes_out": summary.bytes_out}
    return {
        "deployment": key.deployment,
        "version": key.version,
        "replica": key.replica,
        "status": key.status,
        "clock": key.clock.value,
        "count": summary.count,
        "sum": summary.sum_s,
        "min": summary.min_s,
        "max": summary.max_s,
        "centroids": [list(centroid) for centroid in summary.centroids],
        **{name: size for name, size in sizes.items() if size},
    }


def _load_series(rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[SeriesKey, Summary]]:
    for row in rows:
        key = SeriesKey(
            str(row["deployment"]),
            int(row["version"]),
            str(row["replica"]),
            str(row["status"]),
            Clock(row["clock"]),
        )
        yield key, _load_summary(row)


def _load_summary(row: Mapping[str, Any]) -> Summary:
    return Summary(
        int(row["count"]),
        float(row["sum"]),
        float(row["min"]),
        float(row["max"]),
        tuple(pair if type(pair) is tuple else _load_pair(pair) for pair in row["centroids"]),
        int(row.get("bytes_in", 0)),  # gateways of older releases do not tell them
        int(row.get("bytes_out", 0)),
    )


def _load_pair(pair: Sequence[Any]) -> tuple[float, float]:
    mean, weight = pair
    return float(mean), float(weight)
