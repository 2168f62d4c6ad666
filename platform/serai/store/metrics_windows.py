"""Take windows from gateways into the metrics, each exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from serai.domain.window import SeriesKey, Summary, Window

from .database import Database
from .metrics_buckets import BucketKey, add_buckets
from .metrics_figures import Figures
from .metrics_levels import MINUTE_S, Level, floor_to
from .metrics_rollup import load_levels
from .metrics_series import number_series, spread
from .metrics_taken import claim


def take_windows(db: Database, windows: Sequence[Window]) -> list[Window]:
    """Add the figures of the windows that were not taken before; return those.

    One transaction with the note that they are taken: after a crash all of it happened or nothing did. A window that
    comes late is added where it belongs by its time, unless that is no longer kept.
    """
    with db.write():
        new = [window for window in windows if claim(db, window.gateway, window.sequence)]
        spreads = {key: spread(key) for window in new for key in window.series}
        numbers = number_series(db, {each for keys in spreads.values() for each in keys})
        series = {key: [numbers[each] for each in keys] for key, keys in spreads.items()}
        add_buckets(db, _sum_up(new, series, load_levels(db)))
    return new


def take_window(db: Database, window: Window) -> bool:
    """Add a window's figures; False if it was taken before."""
    return bool(take_windows(db, [window]))


def _sum_up(
    windows: Iterable[Window], numbers: Mapping[SeriesKey, Sequence[int]], levels: Sequence[Level]
) -> dict[BucketKey, Figures]:
    buckets: dict[BucketKey, Figures] = {}
    for window in windows:
        starts = _starts_in(levels, window.start)
        for key, summary in window.series.items():
            _add(buckets, [place for number in numbers[key] for place in _places(number, starts)], summary)
    return buckets


def _starts_in(levels: Sequence[Level], at: float) -> list[tuple[Level, int]]:
    starts = [(level, floor_to(at, level.step_s)) for level in levels]
    return [(level, start) for level, start in starts if start >= level.kept_from]


def _places(series: int, starts: Iterable[tuple[Level, int]]) -> Iterator[BucketKey]:
    """Yield the minute, and what is rolled up already and would miss a late window."""
    for level, start in starts:
        if level.step_s == MINUTE_S or start < level.rolled_for(series):
            yield series, level.step_s, start


def _add(buckets: dict[BucketKey, Figures], keys: Iterable[BucketKey], summary: Summary) -> None:
    once = Figures()
    once.add_summary(summary)
    for key in keys:
        buckets.setdefault(key, Figures()).add_all(once)
