"""Reading the journal of a replica, from the beginning or behind a cursor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from serai.domain.errors import Invalid
from serai.domain.observation import LogLine, Stream


def read_lines(folder: Path, replica: str, stream: Stream | None, after: str | None) -> Iterator[LogLine]:
    """Yield the lines in `folder` behind the cursor `after`. A cursor is `<file number>.<offset>`.

    A line that is being written is left for the next call. Where the cursor's file has been rotated away, the oldest
    that is kept follows.
    """
    number, offset = parse_cursor(after) if after else (0, 0)
    while (found := _next_file(folder, number)) is not None:
        if found != number:
            number, offset = found, 0
        has_successor = _next_file(folder, number + 1) is not None  # asked first: nothing is added to it after that
        for line, end in _read_file(folder / f"{number}.log", offset):
            if parsed := parse_line(line, replica, f"{number}.{end}", stream):
                yield parsed
        if not has_successor:
            return
        number, offset = number + 1, 0


def parse_cursor(text: str) -> tuple[int, int]:
    number, _, offset = text.partition(".")
    if not (number.isdecimal() and offset.isdecimal()):
        raise Invalid(f"{text!r} is not a cursor of this log", "after")
    return int(number), int(offset)


def parse_line(line: bytes, replica: str, cursor: str, stream: Stream | None) -> LogLine | None:
    """Return a line of the journal, None where it is of another stream or damaged."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or (stream is not None and parts[1] != stream.encode()):
        return None
    try:
        at, kind = datetime.fromisoformat(parts[0].decode()), Stream(parts[1].decode())
    except ValueError:
        return None
    return LogLine(at, replica, kind, parts[3][:-1].decode("utf-8", "replace"), cursor)


def _next_file(folder: Path, number: int) -> int | None:
    """Return the least number of a file that is at least `number`."""
    if (folder / f"{number}.log").exists():
        return number
    numbers = (int(path.stem) for path in folder.glob("*.log") if path.stem.isdecimal())
    return min((found for found in numbers if found >= number), default=None)


def _read_file(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """Yield each complete line from `offset` on with the offset behind it; nothing if it was just rotated away."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield line, offset
