"""Turn HAProxy's lines into records of requests. Pure.

HAProxy's two letters say who ended a request and where it was then (its manual, 8.5):

| letters | what happened | status kept |
|---|---|---|
| `--` and any other | it went through, or HAProxy answered by a rule | as answered |
| `C.` | the caller left | 499; 101 where a tunnel was closed |
| `cD` `sD` | silence longer than the limit | 504 |
| `SD` | the replica broke its answer off | 502; 101 where a tunnel was closed |
| `K.` `D.` `U.` | cut by us | 503 |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from serai.domain.finished import FinishedRequest
from serai.gateway.record import CLIENT_LEFT, RequestRecord
from serai.gateway.sampling import make_finished

from .names import HANDED, RESCUE, parse_server_name

# Of a line's fields, by `render.py`; the last one is there where traces are sampled. Of a line that was cut short
# the worker is what is missing, if it is taken for a whole one.
WAY, SPAN = 10, 11
LENGTHS = frozenset({11, 12})
_SWITCHING = 101
_UNREACHED = ("SC", "sC", "sQ")


class Line(NamedTuple):
    """What HAProxy counts, and the record of it; None where the asyncio engine keeps one."""

    worker: int
    backend: bytes
    ended_us: int
    hundreds: int
    record: RequestRecord | None


def parse_line(line: bytes, since_us: int = 0) -> Line | None:
    """Return what a line says; None for a request that goes nowhere.

    What went to the asyncio engine is on record there, unless it was never reached, or was killed with the request:
    it has served since `since_us` (epoch microseconds).
    """
    fields = line.split(b" ")
    way = read_way(fields[WAY]) if len(fields) in LENGTHS else None
    if way is None:
        return None
    began_us, end = int(fields[0]), way.end
    is_kept = not end.is_ours or end.is_unreached or (began_us < since_us and end.is_broken)
    ended_us = began_us + int(fields[1])
    return Line(way.worker, way.backend, ended_us, end.hundreds, _make_record(fields, way) if is_kept else None)


def parse_span(line: bytes) -> FinishedRequest | None:
    """Return the sampled request that a line tells of; None where the asyncio engine tells of it, or it is not one."""
    parsed, fields = parse_line(line), line.split(b" ")
    told = fields[SPAN].decode("utf-8", "replace").split(",") if len(fields) > SPAN else []
    if parsed is None or parsed.record is None or len(told) != 4:
        return None
    method, scheme, protocol, path = told
    return make_finished(parsed.record, method, unquote(path), scheme, protocol)


@dataclass(frozen=True, slots=True)
class End:
    """Where a request ended, and how."""

    version: int
    replica: str
    status: int
    hundreds: int
    is_ours: bool
    is_unreached: bool
    is_broken: bool


@dataclass(frozen=True, slots=True)
class Way:
    """Whose a request was, which worker carried it, and where to."""

    deployment: str
    backend: bytes
    worker: int
    end: End


@lru_cache(4096)
def read_way(field: bytes) -> Way | None:
    """Return what `<deployment>/<backend>/<server>/<status>/<letters>/<worker>` means, of which few differ.

    None for nobody's request. ValueError where it is none of ours.
    """
    deployment, backend, server, status, letters, worker = field.split(b"/")
    if deployment == b"-":
        return None
    return Way(deployment.decode(), backend, int(worker), _read_end(backend, server, status, letters))


def _read_end(backend: bytes, server: bytes, status: bytes, letters: bytes) -> End:
    ended = letters[:2].decode()
    is_ours = backend == HANDED.encode() or server == RESCUE.encode()
    is_unreached = ended in _UNREACHED
    version, replica = (0, "") if is_ours or is_unreached else parse_server_name(server.decode())
    told = derive_status(int(status), ended)
    return End(version, replica, told, int(status) // 100, is_ours, is_unreached, ended[0] == "S")


def _make_record(fields: list[bytes], way: Way) -> RequestRecord:
    end, total_us, first_us = way.end, int(fields[1]), fields[2]
    own, parent = fields[8].decode().split("/")
    return RequestRecord(
        (int(fields[0]) + total_us) / 1e6,
        way.deployment,
        end.version,
        end.replica,
        end.status,
        total_us / 1e6,
        None if first_us == b"-" else int(first_us) / 1e6,
        derive_queue(int(fields[3]), total_us, first_us),
        max(0, int(fields[4]) - _number(fields[5], fields[4])),
        max(0, int(fields[6]) - _number(fields[7], fields[6])),
        own[:32],
        own[33:],
        "" if parent == "-" else parent,
        "" if fields[9] == b"-" else fields[9].decode(),
    )


def derive_status(status: int, ended: str) -> int:
    """Return what a request is kept as, by the table above."""
    who, where = ended[0], ended[1]
    if who == "C":
        return _SWITCHING if status == _SWITCHING and where == "D" else CLIENT_LEFT
    if who in "cs" and where == "D":
        return 504
    if who == "S" and where == "D":
        return _SWITCHING if status == _SWITCHING else 502
    if who in "KDU":
        return 503
    return status if status > 0 else 502


def derive_queue(wait_ms: int, total_us: int, first_byte_us: bytes) -> float:
    """Return the seconds until a replica was chosen: HAProxy counts milliseconds, -1 where none was."""
    if wait_ms < 0:
        return total_us / 1e6
    latest_us = total_us if first_byte_us == b"-" else int(first_byte_us)
    return min(wait_ms * 1000, latest_us) / 1e6


def _number(field: bytes, default: bytes) -> int:
    return int(default if field == b"-" else field)
