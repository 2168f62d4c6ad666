"""What is kept of a request, and its line in the journal."""

from __future__ import annotations

from dataclasses import dataclass

CLIENT_LEFT = 499


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request of a known deployment, ended at `at` (epoch seconds).

    `version` 0 and `replica` "" mean that it reached none. `status` is what the caller was told, 499 if it left, 502
    or 504 if an answer that had begun was broken off. `first_byte_s` is None where no byte came, clocks count from
    the arrival of the head. Sizes are of bodies. `key_id` is "" for an open deployment. Where the times were lost it is
    not timed, and `total_s` is what such requests took about.
    """

    at: float
    deployment: str
    version: int
    replica: str
    status: int
    total_s: float
    first_byte_s: float | None
    queue_s: float | None
    bytes_in: int
    bytes_out: int
    trace_id: str
    span_id: str
    parent_id: str
    key_id: str
    is_timed: bool = True


def encode_record(record: RequestRecord) -> bytes:
    """Return one line, newline included. No field holds a tab: names, hexadecimal and numbers only."""
    untimed = "" if record.is_timed else "\t-"
    first, queue = _encode_clock(record.first_byte_s), _encode_clock(record.queue_s)
    return (
        f"{record.at:.6f}\t{record.deployment}\t{record.version}\t{record.replica}\t{record.status}\t"
        f"{record.total_s:.6f}\t{first}\t{queue}\t{record.bytes_in}\t{record.bytes_out}\t"
        f"{record.trace_id}\t{record.span_id}\t{record.parent_id}\t{record.key_id}{untimed}\n"
    ).encode()


def decode_record(line: bytes) -> RequestRecord:
    """Return the record of a line without its newline. ValueError for a line that was cut short."""
    at, deployment, version, replica, status, total, first, queue, came, went, *ids = line.decode().split("\t")
    trace_id, span_id, parent_id, key_id = ids[:4]
    return RequestRecord(
        float(at),
        deployment,
        int(version),
        replica,
        int(status),
        float(total),
        _decode_clock(first),
        _decode_clock(queue),
        int(came),
        int(went),
        trace_id,
        span_id,
        parent_id,
        key_id,
        len(ids) == 4,
    )


def _encode_clock(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.6f}"


def _decode_clock(text: str) -> float | None:
    return None if text == "-" else float(text)
