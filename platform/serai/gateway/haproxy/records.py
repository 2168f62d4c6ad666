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

from serai.gateway.record import CLIENT_LEFT, RequestRecord

from .names import HANDED, RESCUE, parse_server_name

_FIELDS = 17
_SWITCHING = 101
_UNREACHED = ("SC", "sC", "sQ")


@dataclass(frozen=True, slots=True)
class Line:
    """What HAProxy counts, and the record of it; None where the asyncio engine keeps one."""

    worker: int
    backend: str
    ended_us: int
    status: int
    record: RequestRecord | None


def parse_line(line: bytes, since_us: int = 0) -> Line | None:
    """Return what a line says; None for a request that goes nowhere.

    What went to the asyncio engine is on record there, unless it was never reached, or was killed with the request:
    it has served since `since_us` (epoch microseconds).
    """
    fields = line.split(b" ")
    if len(fields) != _FIELDS or fields[4] == b"-":
        return None
    backend, server, status, ended = fields[5].decode(), fields[6].decode(), int(fields[7]), fields[8][:2].decode()
    is_ours = backend == HANDED or server == RESCUE
    is_elsewhere = is_ours and not _is_lost(ended, int(fields[0]) < since_us)
    is_reached = not is_ours and ended not in _UNREACHED
    origin = parse_server_name(server) if is_reached else (0, "")
    record = None if is_elsewhere else _make_record(fields, origin, derive_status(status, ended))
    return Line(int(fields[16]), backend, int(fields[0]) + int(fields[1]), status, record)


def _make_record(fields: list[bytes], origin: tuple[int, str], status: int) -> RequestRecord:
    began_us, total_us = int(fields[0]), int(fields[1])
    _, trace_id, span_id, _ = fields[13].decode().split("-") if fields[13] != b"-" else ("", "", "", "")
    return RequestRecord(
        (began_us + total_us) / 1e6,
        fields[4].decode(),
        *origin,
        status,
        total_us / 1e6,
        None if fields[2] == b"-" else int(fields[2]) / 1e6,
        derive_queue(int(fields[3]), total_us, fields[2]),
        max(0, int(fields[9]) - _number(fields[10], fields[9])),
        max(0, int(fields[11]) - _number(fields[12], fields[11])),
        trace_id,
        span_id,
        _text(fields[14]),
        _text(fields[15]),
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


def _is_lost(ended: str, is_older: bool) -> bool:
    return ended in _UNREACHED or (is_older and ended[0] == "S")


def _number(field: bytes, default: bytes) -> int:
    return int(default if field == b"-" else field)


def _text(field: bytes) -> str:
    return "" if field == b"-" else field.decode()
