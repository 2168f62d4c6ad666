"""Sketches of request times whose every percentile is within 0.5 % of the exact one, whatever the load.

A digest counts times in buckets of the same *relative* width (1.01), so that a rank is always found in the right
bucket and a bucket is never wider than the error allowed. That is a bound, not a likelihood: merging adds integers,
hence any order of merging gives the same answer. t-digests (fastdigest, tdigest) were measured first and rejected:
their centroids are narrow in rank but not in value, and where a load has two modes a percentile that falls near the
gap is off by a factor of 3 to 38, at 3,000 centroids too. See `benchmarks/metrics_query.py`.

The form in which digests travel is that of t-digests all the same: centroids `(mean, weight)`, here the middle of a
bucket and its count, so t-digest libraries can read them and foreign centroids can be taken in.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from operator import itemgetter

from .window import Summary

RELATIVE_ERROR = 0.005
"""Greatest error of a percentile as a part of the exact one, for times from `LEAST_S` to `GREATEST_S`."""
LEAST_S = 1e-6
"""Times below count as 0: clocks of requests are no finer."""
GREATEST_S = 1e6
"""Times above share a bucket; their sum and maximum stay exact up to `LIMIT_S`."""
LIMIT_S = 1e9
"""What longer times are taken for, so that a broken clock cannot spoil sums for ever."""

_WIDTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_BUCKET = 1 / math.log(_WIDTH)
_PER_LEAST = 1 / LEAST_S
_log = math.log
_COMMON_US = 2**18  # longer times are looked for, which takes four times as long


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket of a time: 0 below `LEAST_S`, at most `LAST_BUCKET`."""
    if seconds < LEAST_S:
        return 0
    if seconds > GREATEST_S:
        return LAST_BUCKET
    return 1 + int(_log(seconds * _PER_LEAST) * _PER_BUCKET)


def middle_of(bucket: int) -> float:
    """Return the time that is nearest, relatively, to all of a bucket's; `bucket_of` leads back to the bucket."""
    return _MIDDLES[bucket]


def _make_middles() -> tuple[float, ...]:
    last = 1 + int(math.log(GREATEST_S * _PER_LEAST) * _PER_BUCKET)
    share = 2 * _WIDTH / (1 + _WIDTH)  # of the lower bound: 2ab / (a + b) errs as much at a as at b
    # Seven digits keep windows short as JSON; the error that adds is 1e-4 of the one allowed.
    return (0.0, *(float(f"{LEAST_S * _WIDTH**number * share:.7g}") for number in range(last)))


_MIDDLES = _make_middles()
_NUMBERS = {middle: number for number, middle in enumerate(_MIDDLES)}
LAST_BUCKET = len(_MIDDLES) - 1


def count_buckets(centroids: Sequence[tuple[float, float]]) -> dict[int, int]:
    """Return count by bucket of centroids (mean, weight), of ours or of a t-digest."""
    means, weights = zip(*centroids, strict=True) if centroids else ((), ())
    try:
        counts = dict(zip(map(_NUMBERS.__getitem__, means), map(round, weights), strict=True))
    except KeyError:  # not made by a digest of ours
        counts = {}
    if len(counts) == len(centroids):
        return counts
    counts = {}
    for mean_s, weight in centroids:
        bucket = bucket_of(mean_s)
        counts[bucket] = counts.get(bucket, 0) + round(weight)
    return counts


@cache
def _starts_us() -> tuple[int, ...]:
    """Return the first whole microsecond of each bucket but the first."""
    starts = []
    for bucket in range(1, LAST_BUCKET + 1):
        start = math.floor(_WIDTH ** (bucket - 1))
        while bucket_of(start / 1e6) < bucket:
            start += 1
        while start > 0 and bucket_of((start - 1) / 1e6) >= bucket:
            start -= 1
        starts.append(start)
    return tuple(starts)


@cache
def _buckets_us() -> Sequence[int]:
    """Return the bucket of each whole microsecond that most times are below: half a MiB, made when first needed."""
    buckets = array("H", [0])
    for bucket, end in enumerate(_starts_us()):
        buckets.extend(array("H", [bucket]) * (min(end, _COMMON_US) - len(buckets)))
    return buckets


def _find_bucket(time_us: int) -> int:
    return _buckets_us()[time_us] if time_us < _COMMON_US else bisect_right(_starts_us(), time_us)


class Digest:
    """Times that are being counted: exact count, sum, least and greatest, and a count by bucket.

    `bytes_in` and `bytes_out` are those of a Summary, and added up by whoever counts.
    """

    __slots__ = ("buckets", "bytes_in", "bytes_out", "count", "max_s", "min_s", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self.min_s = math.inf
        self.max_s = 0.0
        self.buckets: Counter[int] = Counter()
        self.bytes_in = 0
        self.bytes_out = 0

    def add(self, seconds: float) -> None:
        """Count one time. What a broken clock gives is bounded: less than nothing or NaN is 0."""
        if not 0.0 <= seconds <= LIMIT_S:
            seconds = LIMIT_S if seconds > LIMIT_S else 0.0
        self.count += 1
        self.sum_s += seconds
        if seconds < self.min_s:  # noqa: PLR1730 - per request, and min() takes four times as long
            self.min_s = seconds
        if seconds > self.max_s:  # noqa: PLR1730
            self.max_s = seconds
        bucket = bucket_of(seconds)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def add_us(self, times_us: Sequence[int]) -> None:
        """Count times in whole microseconds, as `add` does each; at an eighth of its cost."""
        if not times_us:
            return
        least, greatest = min(times_us), max(times_us)
        if least < 0 or greatest > LIMIT_S * 1e6:
            for time_us in times_us:
                self.add(time_us / 1e6)
            return
        self.count += len(times_us)
        self.sum_s += sum(times_us) / 1e6
        self.min_s, self.max_s = min(self.min_s, least / 1e6), max(self.max_s, greatest / 1e6)
        if least == greatest:
            self.buckets[_find_bucket(least)] += len(times_us)
        elif greatest < _COMMON_US:
            self.buckets.update(itemgetter(*times_us)(_buckets_us()))
        else:
            common, starts = _buckets_us(), _starts_us()
            self.buckets.update([common[us] if us < _COMMON_US else bisect_right(starts, us) for us in times_us])

    def add_untimed(self, about_s: float) -> None:
        """Count one whose time is not known but is about `about_s`: percentiles speak of the others alone."""
        self.count += 1
        self.sum_s += about_s
        self.min_s = min(self.min_s, about_s)
        self.max_s = max(self.max_s, about_s)

    def merge(self, summary: Summary) -> None:
        """Count what `summary` counted, whichever engine made its centroids."""
        if not summary.count:
            return
        self.count += summary.count
        self.sum_s += summary.sum_s
        self.min_s = min(self.min_s, summary.min_s)
        self.max_s = max(self.max_s, summary.max_s)
        self.bytes_in += summary.bytes_in
        self.bytes_out += summary.bytes_out
        for bucket, count in count_buckets(summary.centroids).items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def summary(self) -> Summary:
        """Return what was counted so far, centroids in ascending order."""
        buckets = sorted(self.buckets)
        weights = map(float, map(self.buckets.__getitem__, buckets))
        centroids = tuple(zip(map(_MIDDLES.__getitem__, buckets), weights, strict=True))
        least_s = self.min_s if self.count else 0.0
        return Summary(self.count, self.sum_s, least_s, self.max_s, centroids, self.bytes_in, self.bytes_out)

    def quantiles(self, points: Iterable[float]) -> list[float] | None:
        """Return the time at each point from 0 to 1 (see `find_quantiles`), None when nothing was counted."""
        if not self.count:
            return None
        buckets = sorted(self.buckets)
        return find_quantiles(buckets, [self.buckets[number] for number in buckets], self.min_s, self.max_s, points)


def merge_summaries(summaries: Iterable[Summary]) -> Summary:
    """Return one summary of all; the order does not matter, but for the last digits of the sum."""
    digest = Digest()
    for summary in summaries:
        digest.merge(summary)
    return digest.summary()


def find_quantiles(
    buckets: Sequence[int], counts: Sequence[int], min_s: float, max_s: float, points: Iterable[float]
) -> list[float] | None:
    """Return the time at each point from 0 to 1 of `counts` times in ascending `buckets`; None without any.

    The definition is the usual one (numpy's default): the point p of n times lies at rank (n - 1) p, linearly between
    two neighbours. Each neighbour is known within the error and so is what lies between.
    """
    cumulative = list(accumulate(counts))
    last = cumulative[-1] - 1 if cumulative else -1
    if last < 0:
        return None

    def time_at(rank: int, place: int) -> float:
        if 0 < rank < last:
            middle = _MIDDLES[buckets[place]]
            if min_s <= middle <= max_s:
                return middle
            return min_s if middle < min_s else max_s
        return min_s if rank <= 0 else max_s

    def between(position: float) -> float:
        rank = int(position)
        place = bisect_right(cumulative, rank)
        low = time_at(rank, place)
        if rank == position:
            return low
        if rank > 0 and rank + 1 < last and rank + 1 < cumulative[place]:
            return low  # both neighbours are in the same bucket
        above = place if rank + 1 < cumulative[place] else bisect_right(cumulative, rank + 1)
        return low + (time_at(rank + 1, above) - low) * (position - rank)

    return [between(last * point) for point in points]
