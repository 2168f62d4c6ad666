"""Write gzip without compressing: the one form whose bytes do not depend on which zlib a machine has.

zlib, zlib-ng and their versions compress the same bytes differently, and a bundle is known by its hash. Weights hardly
shrink anyway, and not compressing a gigabyte of them saves half a minute.
"""

from __future__ import annotations

import zlib
from typing import Protocol

_HEADER = b"\x1f\x8b\x08\x00" + b"\x00" * 4 + b"\x00\xff"  # deflate, no name, no time, no system
_BLOCK = 65535


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class StoredGzip:
    """A file to write to; `close` has to be called, and leaves the sink open."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = b""
        self._sum = 0
        self._size = 0
        sink.write(_HEADER)

    def write(self, data: bytes) -> int:
        self._sum = zlib.crc32(data, self._sum)
        self._size += len(data)
        waiting = self._rest + data
        start = 0
        while len(waiting) - start > _BLOCK:  # one block at least stays for the end, which marks it as the last
            self._block(waiting[start : start + _BLOCK], last=False)
            start += _BLOCK
        self._rest = waiting[start:]
        return len(data)

    def close(self) -> None:
        self._block(self._rest, last=True)
        self._sink.write(self._sum.to_bytes(4, "little") + (self._size % 2**32).to_bytes(4, "little"))

    def _block(self, data: bytes, last: bool) -> None:
        length = len(data)
        self._sink.write(bytes([last]) + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + data)
