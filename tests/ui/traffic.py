"""An hour of requests as gateways would have counted it: by version, replica, status class and clock, with sizes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from serai.domain.window import Clock, SeriesKey, Summary, Window

_ANSWERS = {"2xx": 0.965, "4xx": 0.025, "5xx": 0.01}
_PARTS = {Clock.TOTAL: 1.0, Clock.FIRST_BYTE: 0.7, Clock.QUEUE: 0.05}  # of the whole time


@dataclass(frozen=True, slots=True)
class Stretch:
    """Minutes counted back from now, in which one replica answered; `pace` is its time as a part of the usual one."""

    version: int
    replica: str
    minutes: range
    pace: float = 1.0
    fails: bool = False


def make_hour(
    name: str, now: datetime, per_minute: float, median_s: float, stretches: Sequence[Stretch], seed: int
) -> list[Window]:
    """Return a window for each minute in which somebody answered; the same seed gives the same requests."""
    chance = random.Random(seed)
    minutes = sorted({ago for stretch in stretches for ago in stretch.minutes}, reverse=True)
    return [
        _make_window(name, now.replace(second=0, microsecond=0) - timedelta(minutes=ago), series)
        for ago in minutes
        if (series := dict(_make_series(name, ago, per_minute, median_s, stretches, chance)))
    ]


def _make_series(
    name: str, ago: int, per_minute: float, median_s: float, stretches: Sequence[Stretch], chance: random.Random
) -> Iterator[tuple[SeriesKey, Summary]]:
    here = [stretch for stretch in stretches if ago in stretch.minutes]
    for stretch in here:
        count = max(1, round(per_minute / len(here) * chance.uniform(0.6, 1.4)))
        for status, times in _draw(stretch, count, median_s, chance).items():
            for clock, part in _PARTS.items():
                key = SeriesKey(name, stretch.version, stretch.replica, status, clock)
                yield key, _sum([time * part for time in times], has_bytes=clock is Clock.TOTAL)


def _draw(stretch: Stretch, count: int, median_s: float, chance: random.Random) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for _ in range(count):
        status = chance.choices(list(_ANSWERS), list(_ANSWERS.values()))[0] if stretch.fails else "2xx"
        times.setdefault(status, []).append(median_s * stretch.pace * chance.lognormvariate(0, 0.5))
    return times


def _sum(times: list[float], *, has_bytes: bool) -> Summary:
    sizes = (812 * len(times), 2_340 * len(times)) if has_bytes else (0, 0)
    times = sorted(times)
    return Summary(len(times), sum(times), times[0], times[-1], tuple((time, 1.0) for time in times), *sizes)


def _make_window(name: str, at: datetime, series: dict[SeriesKey, Summary]) -> Window:
    return Window(f"show-{name}", int(at.timestamp()), at.timestamp(), 10.0, series)
