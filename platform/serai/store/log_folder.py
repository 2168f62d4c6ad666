"""The log of one replica as a folder of segments: added to, closed, shortened, found again after a crash."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serai.domain.observation import LogLine

from .log_format import encode_batch, encode_marker, find_commit
from .log_segments import (
    Segment,
    close_segment,
    list_segments,
    load_segment,
    open_path,
    sweep_leftovers,
    write_whole,
)

SEGMENT_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Tip:
    """Where the next batch goes, and the source's cursor behind which it starts."""

    number: int
    size: int
    cursor: str | None


class LogFolder:
    """Safe from any thread of the one process that writes."""

    def __init__(self, path: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.path = path
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._tip: _Tip | None = None

    def cursor(self) -> str | None:
        with self._lock:
            return self._find_tip().cursor

    def append(self, lines: Sequence[LogLine]) -> bool:
        """Add a batch; True if that filled a segment. Raise OSError: then nothing of the batch counts."""
        data = encode_batch(lines)
        with self._lock:
            tip = self._find_tip()
            try:
                self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
                _write(open_path(self.path, tip.number), data)
                tip.size, tip.cursor = tip.size + len(data), lines[-1].cursor
                return tip.size >= self._segment_bytes and self._close(tip)
            except OSError:
                self._tip = None  # what was written of it is cut off when the end is looked for again
                raise

    def seal(self) -> None:
        """Compress the last segment."""
        with self._lock:
            tip = self._find_tip()
            if tip.size:
                self._close(tip)

    def segments(self) -> list[Segment]:
        return list_segments(self.path)

    def drop(self, segments: Sequence[Segment]) -> None:
        """Remove closed segments; the source's cursor outlives the last of them."""
        with self._lock:
            tip = self._find_tip()
            if tip.size == 0 and tip.cursor is not None:
                marker = encode_marker(tip.cursor)
                write_whole(open_path(self.path, tip.number), marker)
                tip.size = len(marker)
            for segment in segments:
                segment.path.unlink(missing_ok=True)

    def drop_before(self, cutoff: datetime) -> None:
        """Remove what is older. The open segment counts as old when the newest of its lines is."""
        if (last := self.segments()) and not last[-1].is_closed and _is_older(last[-1].path, cutoff):
            self.seal()
        self.drop([segment for segment in self.segments() if segment.span and segment.span[1] < cutoff])

    def shorten(self, limit_bytes: int) -> None:
        """Remove the oldest closed segments until all together have at most `limit_bytes`."""
        segments = self.segments()
        excess = sum(segment.size_bytes() for segment in segments) - limit_bytes
        victims = []
        for segment in segments:
            if excess <= 0 or not segment.is_closed:
                break
            victims.append(segment)
            excess -= segment.size_bytes()
        if victims:
            self.drop(victims)

    def _close(self, tip: _Tip) -> bool:
        if close_segment(self.path, tip.number) is None:
            return False
        tip.number, tip.size = tip.number + 1, 0
        return True

    def _find_tip(self) -> _Tip:
        if self._tip is None:
            self._tip = _recover(self.path)
        return self._tip


def _recover(folder: Path) -> _Tip:
    """Cut off what was not written completely, and return where to go on."""
    segments = list_segments(folder)
    sweep_leftovers(folder, segments)
    for segment in reversed(segments):
        if segment.is_closed:
            commit = find_commit(load_segment(segment))
            return _Tip(segment.number + 1, 0, commit[1] if commit else None)
        data = segment.path.read_bytes()
        commit = find_commit(data)
        if commit is not None:
            if commit[0] < len(data):
                os.truncate(segment.path, commit[0])
            return _Tip(segment.number, *commit)
        segment.path.unlink()
    return _Tip(0, 0, None)


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


def _is_older(path: Path, cutoff: datetime) -> bool:
    try:
        return path.stat().st_mtime < cutoff.timestamp()
    except FileNotFoundError:
        return False
