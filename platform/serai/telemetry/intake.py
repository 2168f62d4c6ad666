"""What the server does with the windows that gateways send: into the store, then to the sinks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple

from serai.domain.errors import Invalid
from serai.domain.window import Summary, Window
from serai.store.database import Database
from serai.store.metrics import take_windows

from .sinks import SinkFeed


class Intake:
    """Takes windows; safe to use from any thread."""

    def __init__(self, db: Database, sinks: SinkFeed) -> None:
        self._db = db
        self._sinks = sinks

    def take(self, windows: Sequence[Window]) -> int:
        """Return how many windows are stored now: all, those that were taken before included.

        When this returns they are on disk and the gateway may forget them. Raise Invalid for figures that cannot be,
        with nothing taken, and SeraiError where the database fails: then the gateway tries again.
        """
        for window in windows:
            _check(window)
        self._sinks.write_windows(take_windows(self._db, windows))
        return len(windows)


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
    counted = sum(round(weight) for _, weight in summary.centroids) == summary.count
    return summary.count > 0 and ordered and counted and all(0 <= number < math.inf for number in numbers)
