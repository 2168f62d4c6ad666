"""What the server does with what is measured: windows of gateways into the store, and all of it to the sinks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime

from serai.domain.collected import CollectedLine
from serai.domain.errors import Invalid
from serai.domain.finished import FinishedRequest
from serai.domain.names import parse_workload_id
from serai.domain.observation import LogLine, Usage
from serai.domain.window import Summary, Window
from serai.plugin.log_store import LogKey
from serai.plugin.sink import Sink
from serai.store.database import Database
from serai.store.metrics import take_windows

from .sinks import FeedLimits, SinkFeed

log = logging.getLogger(__name__)


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

    def take_usage(self, samples: Sequence[Usage], workload_of: Mapping[str, str] | None = None) -> None:
        """Pass one sample of each replica on to the sinks, with its workload by `workload_of`."""
        known = workload_of or {}
        self.feed.write_usage([replace(sample, workload=known.get(sample.replica, "")) for sample in samples])

    def take_lines(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        """Pass lines that were stored on to the sinks that want them."""
        if self.feed.wants_logs:
            deployment, version = parse_workload_id(key.workload)
            now = datetime.now(UTC)
            self.feed.write_logs([CollectedLine(deployment, version, line, now) for line in lines])

    def take_spans(self, gateway: str, requests: Sequence[FinishedRequest], lost: int = 0) -> int:
        """Pass sampled requests on to the sinks that want them and return how many that were.

        `lost` is how many more the gateway had no room for.
        """
        if lost:
            log.warning("gateway %s: %d sampled requests were lost, as too many waited for the server", gateway, lost)
        self.feed.write_spans(requests, lost)
        return len(requests)

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
    means, weights = zip(*summary.centroids, strict=True) if summary.centroids else ((0.0,), (0.0,))
    ordered = 0 <= summary.min_s <= summary.max_s < math.inf
    sized = min(summary.bytes_in, summary.bytes_out, *means, *weights) >= 0
    # A sum is infinite, or NaN and thus less than nothing, as soon as one of its numbers is.
    finite = all(0 <= total < math.inf for total in (summary.sum_s, sum(means), sum(weights)))
    return summary.count > 0 and ordered and sized and finite and sum(map(round, weights)) <= summary.count
