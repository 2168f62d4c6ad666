"""One window of the journal: a file that a killed gateway leaves behind, and the figures folded from its lines.

The name holds all that makes the window the same one whenever it is folded: where it starts, its number, its gateway.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serai.domain.window import Window
from serai.telemetry.fold import Folder, make_window

from .pile import Pile, decode_line
from .record import RequestRecord, encode_record

_NAME = re.compile(r"(\d{12})-(\d{8})-([0-9a-z.]+)")


@dataclass(frozen=True, slots=True)
class WindowId:
    """Names of files sort by time. `start` in whole epoch seconds."""

    start: int
    sequence: int
    gateway: str

    def __str__(self) -> str:
        return f"{self.start:012d}-{self.sequence:08d}-{self.gateway}"


def parse_window_id(text: str) -> WindowId | None:
    match = _NAME.fullmatch(text)
    return WindowId(int(match[1]), int(match[2]), match[3]) if match else None


def journal_path(folder: Path, id: WindowId) -> Path:
    return folder / f"{id}.journal"


class Segment:
    """Counts records into one window, each written to its file first. A disk that takes no more stops nothing."""

    def __init__(self, id: WindowId, length_s: float, path: Path) -> None:
        self.id = id
        self._path = path
        self._figures = _Figures(length_s)
        self._size_bytes = 0
        self._descriptor: int | None = None
        self._failure: OSError | None = None

    def open(self) -> OSError | None:
        """Make the file; return the error if that cannot be."""
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._failure = error
        return self._failure

    def add(self, record: RequestRecord) -> OSError | None:
        """Count a record; return the error that kept it out of the file, if any. It is counted all the same."""
        error = self._write(encode_record(record))
        self._figures.count(record, self.id.start)
        return error

    def add_pile(self, pile: Pile, announce: Callable[[Path, int], None] | None = None) -> OSError | None:
        """Count requests as `add` does each, with one write for all of them, which is announced before."""
        if announce is not None and self._descriptor is not None:
            announce(self._path, self._size_bytes)
        error = self._write(pile.text)
        self._figures.count_pile(pile, self.id.start)
        return error

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def window(self) -> Window:
        """Return the figures. Nothing may be added afterwards."""
        return self._figures.make(self.id)

    def _write(self, line: bytes) -> OSError | None:
        if self._descriptor is None:
            return self._failure
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):  # the disk is full: take the half line back, so that the next stands alone
                os.ftruncate(self._descriptor, self._size_bytes)
                os.lseek(self._descriptor, self._size_bytes, os.SEEK_SET)
                return OSError(f"{written} of {len(line)} bytes written")
        except OSError as error:
            return error
        self._size_bytes += written
        return None


def load_window(path: Path, id: WindowId, length_s: float) -> Window:
    """Return the window of a segment that a killed gateway left; a last line that was cut short was never served."""
    figures = _Figures(length_s)
    for line in path.read_bytes().split(b"\n"):
        try:
            figures.count(decode_line(line), id.start)
        except ValueError:
            continue
    return figures.make(id)


class _Figures:
    """What a window is folded from: the folder, and when each key called last."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._folder = Folder(length_s)
        self._keys: dict[str, float] = {}

    def count(self, record: RequestRecord, start: int) -> None:
        """Count into the segment's own window: a clock that jumps must not make two of one."""
        self._folder.add(
            record.deployment,
            record.version,
            record.replica,
            record.status,
            record.total_s,
            record.first_byte_s,
            record.queue_s,
            float(start),
            record.is_timed,
            record.bytes_in,
            record.bytes_out,
        )
        if record.key_id:
            self._keys[record.key_id] = max(record.at, self._keys.get(record.key_id, 0.0))

    def count_pile(self, pile: Pile, start: int) -> None:
        self._folder.add_many(
            pile.deployment,
            pile.version,
            pile.replica,
            pile.status,
            pile.totals_us,
            pile.firsts_us,
            pile.queues_us,
            float(start),
            pile.bytes_in,
            pile.bytes_out,
        )
        for key, at in pile.keys.items():
            self._keys[key] = max(at, self._keys.get(key, 0.0))

    def make(self, id: WindowId) -> Window:
        start = float(id.start)
        series = next((series for _, series in self._folder.take(start, all=True)), {})
        return make_window(id.gateway, id.sequence, start, self._length_s, series, self._keys)
