"""The log of a replica: lines in CRI form in numbered files, of which the newest few are kept."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from pathlib import Path

MAX_LINE = 16 * 1024
TAIL_LINES = 10
TAIL_WIDTH = 240  # a state with ten such lines still fits into one block of a disk


class Journal:
    """Appends lines such as `2026-11-23T13:11:01.123456Z stdout F text`; `P` marks a part of an overlong line.

    Files are never renamed, so that (number, offset) stays a place to resume from. Lines that cannot be written (a full
    disk) are dropped, and the next that can is preceded by a remark about them.
    """

    def __init__(self, folder: Path, file_bytes: int, files: int) -> None:
        self._folder, self._file_bytes, self._files = folder, file_bytes, files
        self._number = max((int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit()), default=0)
        self._fd = -1
        self._size = 0
        self._dropped = 0
        self._trouble = ""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def write(self, stream: str, lines: list[tuple[str, bytes]]) -> None:
        """Append (`F` or `P`, text) lines; they share one time and, where they fit, one system call."""
        now = format_now()
        texts = [(flag, line.decode("utf-8", "replace")) for flag, line in lines]
        self.tail.extend(text[:TAIL_WIDTH] for _, text in texts[-TAIL_LINES:])
        self._append([f"{now} {stream} {flag} {text}\n".encode() for flag, text in texts])

    def remark(self, text: str) -> None:
        """Append a line of the scheduler's own."""
        line = text.replace("\n", " ")
        self._append([f"{format_now()} system F {line}\n".encode()])

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, entries: list[bytes]) -> None:
        left = len(entries)
        try:
            if self._dropped:
                self._store(self._make_gap_remark())
                self._dropped = 0
            for batch in self._batches(entries):
                self._store(b"".join(batch))
                left -= len(batch)
        except OSError as error:
            self._dropped += left
            self._trouble = error.strerror or str(error)

    def _make_gap_remark(self) -> bytes:
        return f"{format_now()} system F Lines missing here: {self._dropped} ({self._trouble})\n".encode()

    def _batches(self, entries: list[bytes]) -> list[list[bytes]]:
        """Return the entries, cut where a file would grow over its size."""
        batches: list[list[bytes]] = [[]]
        size = self._size
        for entry in entries:
            if size + len(entry) > self._file_bytes and size:
                batches.append([])
                size = 0
            batches[-1].append(entry)
            size += len(entry)
        return [batch for batch in batches if batch]

    def _store(self, data: bytes) -> None:
        if self._fd < 0 or (self._size and self._size + len(data) > self._file_bytes):
            self._open_next()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            with contextlib.suppress(OSError):  # a torn line would join the next one
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)

    def _open_next(self) -> None:
        path = self._folder / f"{self._number + 1}.log"
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.close()
        self._fd, self._size, self._number = fd, 0, self._number + 1
        with contextlib.suppress(OSError):
            (self._folder / f"{self._number - self._files}.log").unlink()


def format_now() -> str:
    """Return the wall clock as RFC 3339 in UTC with microseconds."""
    seconds, fraction = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction // 1000:06d}Z"
