"""Widths of stored buckets of time, and which of them answer a range; pure.

A minute is written as windows come. Coarser levels are summed up from the finer once their time has passed, which is
`rolled_until`; what comes later than that is added to them directly, so that a level is complete before
`rolled_until`, nothing behind it is read, and no answer ever depends on whether the roll-up has run.

A roll-up takes some series at a time, in the order of their ids, so that others write in between. While it is under
way, to `rolling_until`, those before `next_series` are done and get what comes late, as if all were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serai.domain.errors import Invalid

MINUTE_S = 60
STEPS_S = (MINUTE_S, 900, 3600, 86400)
INTERVALS_S = (60, 300, 900, 1800, 3600, 21600, 86400)


@dataclass(frozen=True, slots=True)
class Level:
    """Buckets of `step_s` are kept from `kept_from` and complete up to `rolled_until` (epoch seconds, aligned)."""

    step_s: int
    kept_from: int = 0
    rolled_until: float = 0
    rolling_until: float = 0
    next_series: int = 0

    def rolled_for(self, series: int) -> float:
        """Return until when the buckets of a series are summed up."""
        return self.rolling_until if series < self.next_series else self.rolled_until


@dataclass(frozen=True, slots=True)
class Read:
    """Buckets of `step_s` that start in [start, end)."""

    step_s: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Range:
    """A range that the kept levels can answer exactly: [start, end) in buckets of `interval_s`."""

    start: int
    end: int
    interval_s: int

    def bucket_starts(self) -> range:
        """Starts of all buckets, aligned to the interval; the first may lie before `start`."""
        return range(floor_to(self.start, self.interval_s), self.end, self.interval_s)


def floor_to(at: float, step_s: int) -> int:
    return math.floor(at / step_s) * step_s


def ceil_to(at: float, step_s: int) -> int:
    return math.ceil(at / step_s) * step_s


def check_asked(start_at: datetime, end_at: datetime, interval_s: int, intervals_s: Sequence[int]) -> None:
    """Raise Invalid for an interval that is none of `intervals_s`, and a range that ends before it starts."""
    if interval_s not in intervals_s:
        known = ", ".join(map(str, intervals_s))
        raise Invalid(f"the interval {interval_s} is not one of {known} seconds", "interval")
    if end_at < start_at:
        raise Invalid(f"the range ends ({end_at:%FT%TZ}) before it starts ({start_at:%FT%TZ})", "to")


def check_size(wanted: Range, most: int, what: str) -> None:
    """Raise Invalid for a range of more than `most` buckets; `what` is the word for them."""
    size = len(wanted.bucket_starts())
    if size > most:
        raise Invalid(
            f"the range has {size} {what} of {wanted.interval_s} s, the most are {most};"
            " ask for a longer interval or a shorter range",
            "interval",
        )


def derive_range(
    start: float, end: float, interval_s: int, levels: Sequence[Level], intervals_s: Sequence[int] = INTERVALS_S
) -> Range:
    """Return the range widened to whole buckets of the finest level kept there, and the interval raised to them.

    Old minutes are gone: an interval of a minute over last month becomes the least interval that is still known,
    rather than a chart of zeros.
    """
    first = _finest_step(start, levels)
    raised = min((i for i in intervals_s if i >= interval_s and i % first == 0), default=first)
    return Range(floor_to(start, first), ceil_to(end, _finest_step(end, levels)), raised)


def plan_reads(wanted: Range, levels: Sequence[Level]) -> list[Read]:
    """Return what to read, in order of time: the coarsest buckets that fit into an interval, finer at the edges."""
    usable = sorted((level for level in levels if wanted.interval_s % level.step_s == 0), key=lambda x: -x.step_s)
    return _cover(wanted.start, wanted.end, usable)


def plan_total(wanted: Range, levels: Sequence[Level]) -> list[Read]:
    """Return what to read for the sum of a range: as `plan_reads` does, by the coarsest buckets there are."""
    return _cover(wanted.start, wanted.end, sorted(levels, key=lambda level: -level.step_s))


def _cover(start: int, end: int, levels: Sequence[Level]) -> list[Read]:
    if start >= end or not levels:
        return []
    level, finer = levels[0], levels[1:]
    first = ceil_to(max(start, level.kept_from), level.step_s)
    last = floor_to(min(end, level.rolled_until), level.step_s)
    if first >= last:
        return _cover(start, end, finer)
    return [*_cover(start, first, finer), Read(level.step_s, first, last), *_cover(last, end, finer)]


def _finest_step(at: float, levels: Sequence[Level]) -> int:
    return min((level.step_s for level in levels if level.kept_from <= at), default=max(x.step_s for x in levels))
