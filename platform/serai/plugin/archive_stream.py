"""Read a tar stream forwards only, counting what comes out of it: bombs and endless headers end here."""

from __future__ import annotations

import gzip
from typing import BinaryIO

from serai.domain.errors import Invalid
from serai.domain.quantity import format_bytes

HEADER_BYTES = 64 * 1024
_RATIO_FROM_BYTES = 8 * 2**20  # short runs of zeros are no bomb
_CHUNK = 2**20


def broken(message: str) -> Invalid:
    return Invalid(f"the bundle {message}", "bundle", code="bundle-broken")


class ArchiveStream:
    """What `tarfile` reads instead of a file.

    `tarfile` trusts sizes in headers: it would read a header of any length into memory and seek backwards for a
    negative size, for ever. Here a header may take HEADER_BYTES and seeking goes forwards only.
    """

    def __init__(self, raw: BinaryIO, limit_bytes: int, ratio: float) -> None:
        self._raw = raw
        self._limit_bytes = limit_bytes
        self._ratio = ratio
        self._position = 0
        self._header_left = HEADER_BYTES
        self._last = b""
        magic = raw.read(2)
        raw.seek(0)
        self._is_packed = magic == b"\x1f\x8b"
        self._source: BinaryIO = gzip.GzipFile(fileobj=raw) if self._is_packed else raw  # type: ignore[assignment]

    def begin_header(self) -> None:
        """Give the next header its budget."""
        self._header_left = HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Return `size` bytes of a header, or fewer at the end."""
        self._header_left -= size
        if self._header_left < 0:
            raise broken(f"has a header of more than {format_bytes(HEADER_BYTES)}")
        self._last = self._take(size)
        return self._last

    def read_data(self, size: int) -> bytes:
        """Return 1 to `size` bytes of a file's content; raise Invalid at the end."""
        data = self._take(min(size, _CHUNK))
        if not data:
            raise broken("ends in the middle of a file")
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise broken("has a header with an impossible size")
        while self._position < position:
            self.read_data(position - self._position)
        return position

    def finish(self) -> None:
        """Check that the end was meant: tarfile takes a missing block and garbage for the end as well."""
        if self._last != bytes(512):
            raise broken("is cut off or damaged")
        while data := self._take(_CHUNK):  # to the last byte, as the checksum of gzip stands there
            if data.count(0) != len(data):
                raise broken("goes on after its end")

    def _take(self, size: int) -> bytes:
        data = self._source.read(size)
        self._position += len(data)
        if self._position > self._limit_bytes:
            raise broken(f"holds more than the {format_bytes(self._limit_bytes)} that are allowed")
        if self._is_packed and self._position > max(_RATIO_FROM_BYTES, self._ratio * self._raw.tell()):
            raise broken(f"is packed more than {self._ratio:g} times, which only bombs are")
        return data
