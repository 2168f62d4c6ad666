"""How lines stand in a segment: time, stream and text; a batch ends with a marker that holds the source's cursor.

    2026-11-27T01:48:54.123456Z o listening on 8000
    2026-11-27T01:48:54.123460Z e warming up
    = 0.1034

What stands behind the last marker was not written completely and does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from serai.domain.observation import LogLine, Stream

_MARKER = b"= "
_LETTERS = {Stream.STDOUT: "o", Stream.STDERR: "e", Stream.SYSTEM: "s"}
_STREAMS = {letter.encode(): stream for stream, letter in _LETTERS.items()}
TIME_WIDTH = 27  # of 2026-11-27T01:48:54.123456Z, whose order as text is that of time


def encode_batch(lines: Sequence[LogLine]) -> bytes:
    """Return lines with their marker. A text with newlines becomes several lines of the same time."""
    texts = [text for line in lines for text in _encode_line(line)]
    return "".join(texts).encode("utf-8", "replace") + encode_marker(lines[-1].cursor)


def encode_marker(cursor: str) -> bytes:
    return _MARKER + cursor.encode() + b"\n"


def find_commit(data: bytes) -> tuple[int, str] | None:
    """Return where the last complete marker ends and the cursor it holds; None without any."""
    end = data.rfind(b"\n") + 1
    while end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        if data.startswith(_MARKER, begin):
            return end, data[begin + len(_MARKER) : end - 1].decode("utf-8", "replace")
        end = begin
    return None


def find_span(rows: Iterable[bytes]) -> tuple[datetime, datetime] | None:
    """Return the first and the last time in the rows of a segment; None if there is no line."""
    stamps = [row[:TIME_WIDTH] for row in rows if row and not row.startswith(_MARKER)]
    return (read_time(min(stamps)), read_time(max(stamps))) if stamps else None


def parse_row(row: bytes, replica: str, cursor: str) -> LogLine | None:
    """Return the line in a row without its newline; None for a marker, and for what is damaged."""
    if row.startswith(_MARKER):
        return None
    stream = _STREAMS.get(row[TIME_WIDTH + 1 : TIME_WIDTH + 2])
    if stream is None:
        return None
    try:
        at = read_time(row[:TIME_WIDTH])
    except ValueError:
        return None
    return LogLine(at, replica, stream, row[TIME_WIDTH + 3 :].decode("utf-8", "replace"), cursor)


def read_time(stamp: bytes) -> datetime:
    return datetime.fromisoformat(stamp.decode("ascii", "replace"))


def _encode_line(line: LogLine) -> Iterable[str]:
    at = line.at if line.at.tzinfo is UTC else line.at.astimezone(UTC)
    head = f"{at.isoformat(timespec='microseconds')[:26]}Z {_LETTERS[line.stream]} "
    return [f"{head}{text}\n" for text in line.text.split("\n")]
