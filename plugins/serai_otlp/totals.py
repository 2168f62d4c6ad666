"""What the receiver knows of each series, so that it can be told what the series has come to."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

from serai.domain.window import SeriesKey, Window

from .settings import Temporality
from .tally import Tally, add, make_tally

KEPT_S = 3600.0
"""How long the counts of a replica that is gone are known after they were last told, so that series do not pile up."""

Tallies = Mapping[SeriesKey, Tally]


class Totals:
    """Windows are added in two steps, so that a message that failed, and comes again, counts nothing twice."""

    def __init__(self, temporality: Temporality, now: float) -> None:
        self._is_delta = temporality is Temporality.DELTA
        self._lock = threading.Lock()
        self._known: dict[SeriesKey, Tally] = {}
        self._told_last: dict[SeriesKey, float] = {}
        self._alive: dict[str, float] = {}
        self._told_at = now

    def plus(self, windows: Iterable[Window]) -> Tallies:
        """Return what is to be told of the series that `windows` have: all there ever was, or as delta the news."""
        changed: dict[SeriesKey, Tally] = {}
        for window in windows:
            for key, summary in window.series.items():
                tally = make_tally(summary, window.start, window.start + window.length_s)
                changed[key] = add(changed[key], tally) if key in changed else tally
        if self._is_delta:
            return {key: replace(tally, began_at=self._told_at) for key, tally in changed.items()}
        with self._lock:
            known = {key: self._known[key] for key in changed if key in self._known}
        return {key: _continue(known.get(key), tally) for key, tally in changed.items()}

    def commit(self, told: Tallies, now: float) -> None:
        """Take note that `told` was told."""
        self._told_at = now
        if self._is_delta:
            return
        with self._lock:
            self._known.update(told)
            self._told_last.update(dict.fromkeys(told, now))
            self._alive = {replica: at for replica, at in self._alive.items() if at >= now - KEPT_S}
            for key in [key for key, at in self._told_last.items() if at < now - KEPT_S]:
                if key.replica and key.replica not in self._alive:
                    self._drop(key)

    def note_alive(self, replicas: Iterable[str], now: float) -> None:
        """Take note that replicas live: their counts are kept although nobody calls."""
        with self._lock:
            self._alive.update(dict.fromkeys(replicas, now))

    def forget(self, deployment: str) -> None:
        """Know nothing more of a deployment that was deleted."""
        with self._lock:
            for key in [key for key in self._known if key.deployment == deployment]:
                self._drop(key)

    def _drop(self, key: SeriesKey) -> None:
        del self._known[key], self._told_last[key]


def _continue(known: Tally | None, tally: Tally) -> Tally:
    """Return the sum, begun when the series began: a window that came late must not move its beginning."""
    return tally if known is None else replace(add(known, tally), began_at=known.began_at)
