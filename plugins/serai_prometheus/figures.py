"""What has been counted since the server started, and what replicas use at the moment."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from serai.domain.digest import merge_summaries
from serai.domain.observation import Usage
from serai.domain.window import Clock, SeriesKey, Summary, Window
from serai.plugin import Sink

from .histogram import Histogram

RECENT_S = 300.0
"""How much of the past percentiles speak of."""
FRESH_S = 30.0
"""How long a sample of a replica holds: three are taken in this time."""
KEPT_S = 3600.0
"""How long the counts of a replica that is gone are told after its last request, so that series do not pile up."""

_Recent = deque[tuple[float, Summary]]  # end of the window, times of one deployment's version


class Figures(Sink):
    """Takes windows and samples; safe to use from any thread.

    What it keeps is bounded by the series of the last `KEPT_S`, whether anybody scrapes or not; a scrape after a long
    time without finds the counts of whatever was called, or asked for, within it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._histograms: dict[SeriesKey, Histogram] = {}
        self._last: dict[SeriesKey, float] = {}
        self._recent: dict[tuple[str, int], _Recent] = {}
        self._usage: dict[str, Usage] = {}
        self._newest = self._swept_at = self._scraped_at = 0.0

    def write_windows(self, windows: Sequence[Window]) -> None:
        with self._lock:
            for window in windows:
                end = window.start + window.length_s
                for key, summary in window.series.items():
                    self._histograms.setdefault(key, Histogram()).add(summary)
                    self._last[key] = max(end, self._last.get(key, 0.0))
                    if key.clock is Clock.TOTAL:
                        self._recent.setdefault((key.deployment, key.version), deque()).append((end, summary))
                self._newest = max(self._newest, end)
            if self._newest >= self._swept_at + RECENT_S:
                self._sweep(self._newest)

    def write_usage(self, samples: Sequence[Usage]) -> None:
        with self._lock:
            self._usage.update({sample.replica: sample for sample in samples})

    def forget(self, deployment: str) -> None:
        """Tell nothing more of a deployment that was deleted."""
        with self._lock:
            for key in [key for key in self._histograms if key.deployment == deployment]:
                self._drop(key)
            for version in [version for version in self._recent if version[0] == deployment]:
                del self._recent[version]

    def counts(self, clock: Clock, now: datetime, living: frozenset[str]) -> list[tuple[SeriesKey, Histogram]]:
        """Return the histograms of a clock, in order. Those of replicas gone for `KEPT_S` are forgotten."""
        oldest = now.timestamp() - KEPT_S
        with self._lock:
            self._scraped_at = now.timestamp()
            for key in [key for key, last in self._last.items() if last < oldest and key.replica not in living | {""}]:
                self._drop(key)
            found = [(key, histogram.copy()) for key, histogram in self._histograms.items() if key.clock is clock]
        return sorted(found, key=lambda pair: (pair[0].deployment, pair[0].version, pair[0].replica, pair[0].status))

    def recent(self, now: datetime) -> dict[tuple[str, int], Summary]:
        """Return the times of the last `RECENT_S` by deployment and version; none where nobody called."""
        with self._lock:
            self._forget_recent(now.timestamp() - RECENT_S)
            taken = {version: [summary for _, summary in queue] for version, queue in self._recent.items()}
        return {version: merge_summaries(summaries) for version, summaries in sorted(taken.items())}

    def usage(self, now: datetime, living: frozenset[str]) -> dict[str, Usage]:
        """Return the fresh sample of each living replica; what is not measured is not told."""
        with self._lock:
            self._usage = {id: sample for id, sample in self._usage.items() if id in living}
            samples = dict(self._usage)
        return {id: sample for id, sample in samples.items() if (now - sample.at).total_seconds() <= FRESH_S}

    def _sweep(self, now: float) -> None:
        """Forget what nobody asks for: a scrape does the same, and where there is none nothing may pile up."""
        self._swept_at = now
        self._forget_recent(now - RECENT_S)
        if self._scraped_at < now - KEPT_S:
            for key in [key for key, last in self._last.items() if last < now - KEPT_S]:
                self._drop(key)
            self._usage = {id: sample for id, sample in self._usage.items() if sample.at.timestamp() >= now - KEPT_S}

    def _forget_recent(self, oldest: float) -> None:
        for version, queue in list(self._recent.items()):
            while queue and queue[0][0] < oldest:
                queue.popleft()
            if not queue:
                del self._recent[version]

    def _drop(self, key: SeriesKey) -> None:
        self._histograms.pop(key, None)
        self._last.pop(key, None)
