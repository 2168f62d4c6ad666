"""Fold requests into windows of figures, one digest per series and clock; no I/O, one thread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from serai.domain.digest import Digest
from serai.domain.window import Clock, SeriesKey, Summary, Window

Series = dict[SeriesKey, Summary]
_Group = tuple[str, int, str, int]  # deployment, version, replica, hundreds of the status
_Clocks = tuple[Digest, Digest, Digest]  # total, first byte, queue


class Folder:
    """Counts requests by the window of wall-clock time in which they ended.

    Lives in one asyncio loop. A request is counted into buckets at once (2 us) instead of being kept until the window
    closes: memory stays bounded by the number of series, and closing does not hold the loop up.
    """

    def __init__(self, length_s: float = 10.0) -> None:
        self.length_s = length_s
        self._windows: dict[float, dict[_Group, _Clocks]] = {}

    def add(
        self,
        deployment: str,
        version: int,
        replica: str,
        status: int,
        total_s: float,
        first_byte_s: float | None,
        queue_s: float | None,
        at: float,
        is_timed: bool = True,
        bytes_in: int = 0,
        bytes_out: int = 0,
    ) -> None:
        """Count a request that ended at `at` (epoch seconds). None: that clock never ran, as no byte ever came.

        Where it is not timed, `total_s` is what such requests take about. Bytes are those of the two bodies.

        `version` 0 and `replica` "" stand for a request that reached none. Any `at` is counted, in the window that it
        falls in: a clock that was set back opens an old window again, and the store merges what has the same time.
        """
        clocks = self._clocks((deployment, version, replica, status // 100), at)
        total = clocks[0]
        if is_timed:
            total.add(total_s)
        else:
            total.add_untimed(total_s)
        total.bytes_in += bytes_in
        total.bytes_out += bytes_out
        if first_byte_s is not None:
            clocks[1].add(first_byte_s)
        if queue_s is not None:
            clocks[2].add(queue_s)

    def add_many(
        self,
        deployment: str,
        version: int,
        replica: str,
        status: int,
        totals_us: Sequence[int],
        firsts_us: Sequence[int],
        queues_us: Sequence[int],
        at: float,
        bytes_in: int = 0,
        bytes_out: int = 0,
    ) -> None:
        """Count requests that ended in the window of `at`, whose times are in whole microseconds, bytes altogether."""
        clocks = self._clocks((deployment, version, replica, status // 100), at)
        for digest, times_us in zip(clocks, (totals_us, firsts_us, queues_us), strict=True):
            digest.add_us(times_us)
        clocks[0].bytes_in += bytes_in
        clocks[0].bytes_out += bytes_out

    def _clocks(self, group: _Group, at: float) -> _Clocks:
        start = math.floor(at / self.length_s) * self.length_s
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = {}
        clocks = window.get(group)
        if clocks is None:
            clocks = window[group] = (Digest(), Digest(), Digest())
        return clocks

    def take(self, now: float, all: bool = False) -> list[tuple[float, Series]]:
        """Remove and return closed windows as (start, series), oldest first; `all` closes the open one too.

        Closed is what ended at `now` or before, and what starts more than a window after `now`: the clock was set back
        and those must not wait for it to come round again.
        """
        length_s = self.length_s
        closed = [at for at in self._windows if all or at + length_s <= now or at > now + length_s]
        return [(start, _close(self._windows.pop(start))) for start in sorted(closed)]


def make_window(
    gateway: str,
    sequence: int,
    start: float,
    length_s: float,
    series: Mapping[SeriesKey, Summary],
    keys: Mapping[str, float] | None = None,
) -> Window:
    """Return a numbered window. A gateway uses each number once, for ever: the store takes a number once only."""
    return Window(gateway, sequence, start, length_s, series, dict(keys or {}))


def _close(window: dict[_Group, _Clocks]) -> Series:
    return {
        SeriesKey(deployment, version, replica, f"{hundreds}xx", clock): digest.summary()
        for (deployment, version, replica, hundreds), clocks in window.items()
        for clock, digest in zip(Clock, clocks, strict=True)
        if digest.count
    }
