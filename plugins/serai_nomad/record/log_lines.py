"""Lines of a channel whose bytes lie in numbered files: each with the position behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .log_position import LogFile, Position

CHUNK_BYTES = 256 * 1024
# A longer line comes in pieces of this size.
LONGEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line without its end, the position behind it, and the file that it ends in."""

    text: str
    end: Position
    file: LogFile


# Return up to so many bytes of a file from an offset on, None if it is gone.
Fetch = Callable[[LogFile, int, int], bytes | None]


def split_lines(files: Sequence[LogFile], start: Position, is_ended: bool, fetch: Fetch) -> Iterator[RawLine]:
    """Yield the lines of `files`, which are in order, behind `start`.

    Only what the files held when they were listed is read. A line that goes on in the next file is one line. One
    without an end is left for the next call, unless nothing more can come of it: the task has ended, or the file with
    the rest is gone.
    """
    rest, behind, last = b"", start, None
    for file in files:
        if file.number < start.number:
            continue
        if last is not None and rest and file.number != last.number + 1:
            yield RawLine(_decode(rest), behind, last)
            rest = b""
        behind, last = Position(file.number, start.offset if file.number == start.number else 0), file
        while behind.offset < file.size:
            chunk = fetch(file, behind.offset, min(CHUNK_BYTES, file.size - behind.offset))
            if not chunk:  # rotated away meanwhile
                if rest:
                    yield RawLine(_decode(rest), behind, file)
                rest = b""
                break
            begin = behind.offset - len(rest)  # of `rest`; below 0 where that is in the file before
            behind = Position(file.number, behind.offset + len(chunk))
            lines, rest = _split(rest + chunk)
            for text, end in lines:
                yield RawLine(text, Position(file.number, begin + end), file)
    if is_ended and rest and last is not None:
        yield RawLine(_decode(rest), behind, last)


def _split(data: bytes) -> tuple[list[tuple[str, int]], bytes]:
    """Return the lines of `data`, each with the index behind it, and what is left without an end."""
    lines: list[tuple[str, int]] = []
    begin = 0
    while True:
        newline = data.find(b"\n", begin, begin + LONGEST_BYTES + 1)
        if newline >= 0:
            lines.append((_decode(data[begin:newline]), newline + 1))
            begin = newline + 1
        elif len(data) - begin > LONGEST_BYTES:
            lines.append((_decode(data[begin : begin + LONGEST_BYTES]), begin + LONGEST_BYTES))
            begin += LONGEST_BYTES
        else:
            return lines, data[begin:]


def _decode(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")
