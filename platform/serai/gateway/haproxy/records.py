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

# The last one of 18 is there where traces are sampled.
LENGTHS = frozenset({17, 18})
SPAN = 17
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
    if len(fields) not in LENGTHS or fields[4] == b"-":
        return None
    began_us = int(fields[0])
    end = read_end(fields[5], fields[6], fields[7], fields[8])
    is_kept = not end.is_ours or end.is_unreached or (began_us < since_us and end.is_broken)
    ended_us = began_us + int(fields[1])
    return Line(int(fields[16]), fields[5], ended_us, end.hundreds, _make_record(fields, end) if is_kept else None)


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


@lru_cache(4096)
def read_end(backend: bytes, server: bytes, status: bytes, letters: bytes) -> End:
    """Return what these fields mean; few of them differ."""
    ended = letters[:2].decode()
    is_ours = backend == HANDED.encode() or server == RESCUE.encode()
    is_unreached = ended in _UNREACHED
    version, replica = (0, "") if is_ours or is_unreached else parse_server_name(server.decode())
    told = derive_status(int(status), ended)
    return End(version, replica, told, int(status) // 100, is_ours, is_unreached, ended[0] == "S")


def _make_record(fields: list[bytes], end: End) -> RequestRecord:
    total_us, first_us, traceparent = int(fields[1]), fields[2], fields[13].decode()
    return RequestRecord(
        (int(fields[0]) + total_us) / 1e6,
        fields[4].decode(),
        end.version,
        end.replica,
        end.status,
        total_us / 1e6,
        None if first_us == b"-" else int(first_us) / 1e6,
        derive_queue(int(fields[3]), total_us, first_us),
        max(0, int(fields[9]) - _number(fields[10], fields[9])),
        max(0, int(fields[11]) - _number(fields[12], fields[11])),
        traceparent[3:35],
        traceparent[36:52],
        "" if fields[14] == b"-" else fields[14].decode(),
        "" if fields[15] == b"-" else fields[15].decode(),
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
