"""What the server does with figures: windows of gateways into the store, and all of them to the sinks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple

from serai.domain.errors import Invalid
from serai.domain.observation import Usage
from serai.domain.window import Summary, Window
from serai.plugin.sink import Sink
from serai.store.database import Database
from serai.store.metrics import take_windows

from .sinks import FeedLimits, SinkFeed


class Intake:
    """Takes figures; safe to use from any thread. `feed` tells how the sinks are doing."""

    def __init__(self, db: Database, sinks: Mapping[str, Sink], limits: FeedLimits | None = None) -> None:
        self._db = db
        self.feed = SinkFeed(sinks, limits)

    def take(self, windows: Sequence[Window]) -> int:
        """Return how many windows are stored now: all, those that were taken before included.

        When this returns they are on disk and the gateway may forget them. Raise Invalid for figures that cannot be,
        with nothing taken, and SeraiError where the database fails: then the gateway tries again.
        """
        for window in windows:
            _check(window)
        self.feed.write_windows(take_windows(self._db, windows))
        return len(windows)

    def take_usage(self, samples: Sequence[Usage]) -> None:
        """Pass one sample of each replica on to the sinks."""
        self.feed.write_usage(samples)

    def close(self, timeout_s: float = 5.0) -> None:
        """Let the sinks take what waits. The database and the sinks stay open: they belong to who made them."""
        self.feed.close(timeout_s)


def _check(window: Window) -> None:
    """One broken figure would spoil the sums of its day for ever."""
    where = f"the window {window.sequence} of the gateway {window.gateway!r}"
    if not (window.gateway and window.sequence >= 0 and math.isfinite(window.start) and window.start >= 0):
        raise Invalid(f"{where} has no valid gateway, sequence or start", "windows")
    for key, summary in window.series.items():
        if not (key.deployment and key.status and _is_possible(summary)):
            raise Invalid(f"{where} has impossible figures for {astuple(key)}", "windows")


def _is_possible(summary: Summary) -> bool:
    numbers = (summary.sum_s, *(number for centroid in summary.centroids for number in centroid))
    ordered = 0 <= summary.min_s <= summary.max_s < math.inf
    counted = sum(round(weight) for _, weight in summary.centroids) <= summary.count
    sized = min(summary.bytes_in, summary.bytes_out) >= 0
    return summary.count > 0 and ordered and counted and sized and all(0 <= number < math.inf for number in numbers)
