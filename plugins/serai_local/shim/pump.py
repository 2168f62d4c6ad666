"""From a pipe of a process to lines of the journal."""

from __future__ import annotations

import os

from .journal import MAX_LINE, Journal
from .loop import Loop

_READ = 64 * 1024


class Pump:
    """Reads one pipe to its end. Closes it then, or at `close`, and writes what was left without a newline."""

    def __init__(self, loop: Loop, journal: Journal, fd: int, stream: str) -> None:
        self._loop, self._journal, self._fd, self._stream = loop, journal, fd, stream
        self._rest = b""
        os.set_blocking(fd, False)
        loop.watch_reading(fd, self._take)

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = -1
        if self._rest:
            self._journal.write(self._stream, [("F", self._rest)])
            self._rest = b""

    def _take(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        lines, self._rest = split_lines(self._rest + data)
        if lines:
            self._journal.write(self._stream, lines)


def split_lines(data: bytes) -> tuple[list[tuple[str, bytes]], bytes]:
    """Return the complete lines of `data` as (`F`, text), overlong ones in parts (`P`), and the unfinished rest."""
    *whole, rest = data.split(b"\n")
    lines: list[tuple[str, bytes]] = []
    for line in whole:
        parts, last = _split_long(line)
        lines += parts
        lines.append(("F", last.removesuffix(b"\r")))
    parts, rest = _split_long(rest)
    return lines + parts, rest


def _split_long(line: bytes) -> tuple[list[tuple[str, bytes]], bytes]:
    parts: list[tuple[str, bytes]] = []
    while len(line) > MAX_LINE:
        cut = _character_start(line, MAX_LINE)
        parts.append(("P", line[:cut]))
        line = line[cut:]
    return parts, line


def _character_start(data: bytes, cut: int) -> int:
    """Return the greatest place up to `cut` that does not divide a UTF-8 character."""
    for back in range(4):
        if data[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut
