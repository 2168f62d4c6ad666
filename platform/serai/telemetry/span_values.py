"""Fields of many spans, as they are on the wire -> what they hold; those of a column are read at once, in C."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import unpack

from .span_facts import to_us
from .span_fields import split_fields
from .span_messages import SizeColumn


@lru_cache(1024)
def split_run(run: bytes) -> list[bytes]:
    """Return the attributes of a span that follow upon each other."""
    return [field.content for field in split_fields(run) or ()]


def read_times(column: Sequence[bytes]) -> tuple[Sequence[int], Sequence[int]]:
    """Return when spans began and ended, in nanoseconds."""
    times: tuple[int, ...] = unpack("<" + "xQxQ" * len(column), b"".join(column))
    return times[::2], times[1::2]


def read_clock(column: Sequence[bytes]) -> list[int]:
    """Return whole microseconds of doubles, which are in seconds. Digests bound what a broken clock gives."""
    values: tuple[float, ...] = unpack(f"<{len(column)}d", b"".join(column))
    try:
        return [int(seconds * 1e6 + 0.5) for seconds in values]
    except (ValueError, OverflowError):  # NaN, infinity
        return list(map(to_us, values))


def read_sizes(column: Sequence[bytes], width: int) -> list[Sequence[int]]:
    """Return whole numbers of less than 2**35, of which there are `width` in each field, by their place in it."""
    sizes: Sequence[int] = SizeColumn.FromString(b"".join(column)).attributes.value.sizes[:]
    return [sizes[place::width] for place in range(width)]
