"""Requests that went the same way and came together: columns where one record each would cost too much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .haproxy.records import parse_line
from .record import RequestRecord, decode_record


@dataclass(frozen=True, slots=True)
class Pile:
    """What a RequestRecord says, of many requests that share deployment, version, replica and status.

    Times are in whole microseconds, and `ended_us` since the epoch. `firsts_us` holds only those of which a byte came.
    `keys` are the ids of the keys that called, with the instant of each one's last request here (epoch seconds).
    `text` is what the journal keeps: lines, each of which becomes a record by `decode_line`. Bytes are of all of them
    together.
    """

    deployment: str
    version: int
    replica: str
    status: int
    ended_us: Sequence[int]
    totals_us: Sequence[int]
    firsts_us: Sequence[int]
    queues_us: Sequence[int]
    text: bytes
    keys: Mapping[str, float] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def lines(self) -> list[bytes]:
        return self.text.split(b"\n")[:-1]

    def __iter__(self) -> Iterator[RequestRecord]:
        """Yield them one by one, each as a record."""
        return map(decode_line, self.lines)


def decode_line(line: bytes) -> RequestRecord:
    """Return the record of a line of the journal, ours or HAProxy's own. ValueError for one that was cut short."""
    if b"\t" in line:
        return decode_record(line)
    parsed = parse_line(line)
    if parsed is None or parsed.record is None:
        raise ValueError("the line is no record")
    return parsed.record
