"""Reading a replica's folder behind a cursor: `<number of the segment>.<offset in it, uncompressed>`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from serai.domain.errors import Invalid
from serai.domain.log_filter import LogFilter
from serai.domain.observation import LogLine
from serai.plugin.log_store import LogReading

from .log_format import parse_row
from .log_segments import Segment, list_segments, load_segment


class FolderReading(LogReading):
    """The wanted lines of a folder. A segment outside of the range of time is not opened."""

    def __init__(self, folder: Path, replica: str, wanted: LogFilter, after: str | None) -> None:
        self._folder = folder
        self._replica = replica
        self._wanted = wanted
        self._start = parse_cursor(after) if after else (0, 0)
        self._cursor = after
        self._lines = self._walk()

    @property
    def cursor(self) -> str | None:
        return self._cursor

    def __next__(self) -> LogLine:
        return next(self._lines)

    def _walk(self) -> Iterator[LogLine]:
        number, offset = self._start
        for segment in list_segments(self._folder):
            if segment.number >= number:
                yield from self._read(segment, offset if segment.number == number else 0)

    def _read(self, segment: Segment, offset: int) -> Iterator[LogLine]:
        if segment.span is None or self._wanted.meets(*segment.span):
            data = load_segment(segment)
            if self._wanted.text is None or self._wanted.may_be_in(data[offset:].decode("utf-8", "replace")):
                for line in split_lines(data, offset, self._replica, segment.number):
                    self._cursor = line.cursor
                    if self._wanted.has(line):
                        yield line
            offset = max(offset, len(data))
        self._cursor = f"{segment.number + 1}.0" if segment.is_closed else f"{segment.number}.{offset}"


def split_lines(data: bytes, offset: int, replica: str, number: int) -> Iterator[LogLine]:
    """Yield the lines of a segment from `offset` on, each with the cursor behind it."""
    while (end := data.find(b"\n", offset)) >= 0:
        line = parse_row(data[offset:end], replica, f"{number}.{end + 1}")
        offset = end + 1
        if line is not None:
            yield line


def parse_cursor(text: str) -> tuple[int, int]:
    number, _, offset = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 15 for part in (number, offset)):
        raise Invalid(f"{text!r} is not a cursor of this log", "after")
    return int(number), int(offset)
