"""The files of a replica's log: `<number>.log` is added to, `<number>-<first>-<last>.log.gz` is closed.

The names are the index: times in microseconds since 1970 say which files a range of time needs.
"""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .log_format import find_commit, find_span

_NAME = re.compile(r"(\d{1,12})(?:-(\d{1,18})-(\d{1,18})\.log\.gz|\.log)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a log. `span` is that of its times, None while it is open."""

    number: int
    path: Path
    span: tuple[datetime, datetime] | None = None

    @property
    def is_closed(self) -> bool:
        return self.span is not None

    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def open_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.log"


def list_segments(folder: Path) -> list[Segment]:
    """Return the segments in order; of one that is just being closed the closed file."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found: dict[int, Segment] = {}
    for name in names:
        segment = _parse_name(folder, name)
        if segment and (segment.is_closed or segment.number not in found):
            found[segment.number] = segment
    return [found[number] for number in sorted(found)]


def load_segment(segment: Segment) -> bytes:
    """Return what counts of a segment; nothing if it is gone."""
    try:
        data = segment.path.read_bytes()
    except FileNotFoundError:
        return _load_closed_meanwhile(segment)
    if segment.is_closed:
        return gzip.decompress(data)
    commit = find_commit(data)
    return data[: commit[0]] if commit else b""


def close_segment(folder: Path, number: int) -> Segment | None:
    """Compress a segment; None where it holds no line. At every moment one complete file of it is there."""
    path = open_path(folder, number)
    data = path.read_bytes()
    span = find_span(data.split(b"\n"))
    if span is None:
        return None
    first, last = ((at - _EPOCH) // _MICROSECOND for at in span)
    closed = folder / f"{number:06d}-{first}-{last}.log.gz"
    write_whole(closed, gzip.compress(data, 6, mtime=0))
    path.unlink()
    return Segment(number, closed, span)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there completely or not at all, also after a loss of power."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def sweep_leftovers(folder: Path, segments: list[Segment]) -> None:
    """Remove what a crash left: half-written files, open ones whose closed file is there."""
    for path in folder.glob("*.tmp"):
        path.unlink(missing_ok=True)
    for segment in segments:
        if segment.is_closed:
            open_path(folder, segment.number).unlink(missing_ok=True)


def _load_closed_meanwhile(segment: Segment) -> bytes:
    """Return a segment that was closed since it was listed."""
    for found in list_segments(segment.path.parent):
        if found.number == segment.number and found.is_closed:
            try:
                return gzip.decompress(found.path.read_bytes())
            except FileNotFoundError:
                return b""
    return b""


def _parse_name(folder: Path, name: str) -> Segment | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    number, first, last = match.groups()
    span = (_read_time(first), _read_time(last)) if first and last else None
    return Segment(int(number), folder / name, span)


def _read_time(text: str) -> datetime:
    return _EPOCH + int(text) * _MICROSECOND
