"""Sums of stored digests, and their form in the database: bytes that are small and quick to add up.

A query adds up to thousands of digests. Counts of all buckets stand in one big integer, 64 bits each, so that adding
two digests is one addition of integers in C: 20 us with reading the bytes, where merging two t-digests takes 75.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable

from serai.domain.digest import count_buckets, find_quantiles
from serai.domain.window import Summary

_FIELD_BYTES = 8
_FIELD_BITS = 64
_HEADER = struct.Struct("<HB")  # first bucket, bytes kept of each count


class Figures:
    """Exact count, sum, least and greatest of times, their packed digest, and exact bytes; empty at first."""

    __slots__ = ("bytes_in", "bytes_out", "count", "max_s", "min_s", "packed", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self.min_s = math.inf
        self.max_s = 0.0
        self.packed = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def add(
        self, count: int, sum_s: float, min_s: float, max_s: float, packed: int, bytes_in: int = 0, bytes_out: int = 0
    ) -> None:
        self.count += count
        self.sum_s += sum_s
        self.min_s = min(self.min_s, min_s)
        self.max_s = max(self.max_s, max_s)
        self.packed += packed
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

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

    def quantiles(self, points: Iterable[float]) -> list[float] | None:
        """Return the time at each point from 0 to 1, None when nothing was counted."""
        first, counts = _unpack(self.packed)
        return find_quantiles(range(first, first + len(counts)), counts, self.min_s, self.max_s, points)


def pack(centroids: Iterable[tuple[float, float]]) -> int:
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
    first: int
    width: int
    first, width = _HEADER.unpack_from(blob)
    planes = zlib.decompress(memoryview(blob)[_HEADER.size :])
    if not width:
        return 0
    length = len(planes) // width
    raw = bytearray(_FIELD_BYTES * length)
    for place in range(width):
        raw[place::_FIELD_BYTES] = planes[place * length : (place + 1) * length]
    return int.from_bytes(raw, "little") << (_FIELD_BITS * first)


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
