"""Sums of stored digests, and their form in the database: bytes that are small and quick to add up.

A query adds up to thousands of digests. Counts of all buckets stand in one big integer, 64 bits each, so that adding
two digests is one addition of integers in C: 20 us with reading the bytes, where merging two t-digests takes 75.
What is read is added up only when somebody asks; a digest that stands alone is never made an integer.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from serai.domain.digest import count_buckets, find_quantiles
from serai.domain.window import Summary

_FIELD_BYTES = 8
_FIELD_BITS = 64
_HEADER = struct.Struct("<HB")  # first bucket, bytes kept of each count
_FORMATS = {2: "H", 4: "I", 8: "Q"}


class Figures:
    """Exact count, sum, least and greatest of times, their packed digest, and exact bytes; empty at first."""

    __slots__ = ("_packed", "_stored", "bytes_in", "bytes_out", "count", "max_s", "min_s", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self.min_s = math.inf
        self.max_s = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self._packed = 0
        self._stored: list[bytes] = []

    @property
    def packed(self) -> int:
        """The digest as one integer; see `pack`."""
        for digest in self._stored:
            self._packed += decode_digest(digest)
        self._stored.clear()
        return self._packed

    def add(
        self, count: int, sum_s: float, min_s: float, max_s: float, packed: int, bytes_in: int = 0, bytes_out: int = 0
    ) -> None:
        self._add_exact(count, sum_s, min_s, max_s, bytes_in, bytes_out)
        self._packed += packed

    def add_stored(
        self, count: int, sum_s: float, min_s: float, max_s: float, digest: bytes, bytes_in: int, bytes_out: int
    ) -> None:
        """Add figures with a digest as `encode_digest` wrote it."""
        self._add_exact(count, sum_s, min_s, max_s, bytes_in, bytes_out)
        self._stored.append(digest)

    def add_all(self, other: Figures) -> None:
        self.add(other.count, other.sum_s, other.min_s, other.max_s, other.packed, other.bytes_in, other.bytes_out)

    def add_summary(self, summary: Summary) -> None:
        self.add(
            summary.count,
            summary.sum_s,
            summary.min_s,
            summary.max_s,
            pack(summary.centroids),
            summary.bytes_in,
            summary.bytes_out,
        )

    def quantiles(self, points: Sequence[float]) -> Sequence[float] | None:
        """Return the time at each point from 0 to 1, None when nothing was counted."""
        if len(self._stored) == 1 and not self._packed:
            return _find_stored(self._stored[0], self.min_s, self.max_s, tuple(points))
        return _find(_unpack(self.packed), self.min_s, self.max_s, points)

    def _add_exact(self, count: int, sum_s: float, min_s: float, max_s: float, bytes_in: int, bytes_out: int) -> None:
        self.count += count
        self.sum_s += sum_s
        if min_s < self.min_s:  # noqa: PLR1730 - per row, and min() takes four times as long
            self.min_s = min_s
        if max_s > self.max_s:  # noqa: PLR1730
            self.max_s = max_s
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out


def _find(
    counts: tuple[int, Sequence[int]], min_s: float, max_s: float, points: Iterable[float]
) -> Sequence[float] | None:
    first, fields = counts
    return find_quantiles(range(first, first + len(fields)), fields, min_s, max_s, points)


@lru_cache(4096)
def _find_stored(digest: bytes, min_s: float, max_s: float, points: tuple[float, ...]) -> Sequence[float] | None:
    """Return the quantiles of one digest. They follow from its bytes, so what is remembered is never out of date:
    whoever looks again at the same hour has 59 of its 60 minutes. Some 4 MB at most."""
    return _find(_read_counts(digest), min_s, max_s, points)


def pack(centroids: Sequence[tuple[float, float]]) -> int:
    """Return centroids (mean, weight) as the big integer that `Figures` adds up."""
    counts = count_buckets(centroids)
    if not counts:
        return 0
    first = min(counts)
    fields = [0] * (max(counts) - first + 1)
    for bucket, count in counts.items():
        fields[bucket - first] = count
    return int.from_bytes(struct.pack(f"<{len(fields)}Q", *fields), "little") << (_FIELD_BITS * first)


def encode_digest(packed: int) -> bytes:
    """Return a packed digest as bytes: some 50 for ten times, 250 for a thousand, 800 for a hundred thousand.

    All lowest bytes of the counts come first, then all second ones, and so on while any is not 0: most counts are
    small, so most of these planes are never written, and the first one compresses well.
    """
    first, raw = _trim(packed)
    planes = [raw[place::_FIELD_BYTES] for place in range(_FIELD_BYTES)]
    while planes and planes[-1].count(0) == len(planes[-1]):
        planes.pop()
    return _HEADER.pack(first, len(planes)) + zlib.compress(b"".join(planes), 1)


def decode_digest(blob: bytes) -> int:
    """Return the packed digest that `encode_digest` wrote."""
    first, width, planes = _read_planes(blob)
    return int.from_bytes(_join_planes(planes, width, _FIELD_BYTES), "little") << (_FIELD_BITS * first)


def _read_counts(blob: bytes) -> tuple[int, Sequence[int]]:
    """Return the number of the first bucket of a stored digest, and the counts from there on."""
    first, width, planes = _read_planes(blob)
    if width <= 1:
        return first, planes
    size = next(size for size in _FORMATS if size >= width)
    fields = _join_planes(planes, width, size)
    return first, struct.unpack(f"<{len(fields) // size}{_FORMATS[size]}", fields)


def _read_planes(blob: bytes) -> tuple[int, int, bytes]:
    first, width = _HEADER.unpack_from(blob)
    return first, width, zlib.decompress(memoryview(blob)[_HEADER.size :])


def _join_planes(planes: bytes, width: int, size: int) -> bytearray:
    """Return fields of `size` bytes, of which `width` are written."""
    length = len(planes) // width if width else 0
    fields = bytearray(size * length)
    for place in range(width):
        fields[place::size] = planes[place * length : (place + 1) * length]
    return fields


def _trim(packed: int) -> tuple[int, bytes]:
    """Return the number of the first bucket that is not empty, and the counts from there on as 64-bit fields."""
    if not packed:
        return 0, b""
    first = ((packed & -packed).bit_length() - 1) // _FIELD_BITS
    rest = packed >> (_FIELD_BITS * first)
    length = -(-rest.bit_length() // _FIELD_BITS)
    return first, rest.to_bytes(_FIELD_BYTES * length, "little")


def _unpack(packed: int) -> tuple[int, tuple[int, ...]]:
    first, raw = _trim(packed)
    return first, struct.unpack(f"<{len(raw) // _FIELD_BYTES}Q", raw)
