"""Feed sinks: each has a thread, a bounded queue and a pause that grows while it fails; none delays another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serai.domain.observation import Usage
from serai.domain.window import Window
from serai.plugin.sink import Sink

from .feeder import Feeder


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """How much waits for a sink (windows and samples each count 1), and its pauses after failures."""

    waiting: int = 20_000
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink is doing: what waits for it, was dropped, and why the last call failed ("" when it did not)."""

    name: str
    waiting: int
    dropped: int
    last_error: str


class SinkFeed:
    """Gives windows and samples to every sink, in the order of time, at least once; safe to use from any thread.

    Nothing here ever waits for a sink. A full queue drops its oldest entries, counts them and says so once an outage.
    """

    def __init__(self, sinks: Mapping[str, Sink], limits: FeedLimits | None = None) -> None:
        limits = limits or FeedLimits()
        self._feeders = [
            Feeder(name, sink, limits.waiting, limits.first_pause_s, limits.longest_pause_s)
            for name, sink in sinks.items()
        ]

    def write_windows(self, windows: Sequence[Window]) -> None:
        if windows:
            in_order = sorted(windows, key=lambda window: window.start)
            self._offer(in_order, [])

    def write_usage(self, samples: Sequence[Usage]) -> None:
        if samples:
            self._offer([], samples)

    def states(self) -> list[SinkState]:
        return [SinkState(feeder.name, *feeder.state()) for feeder in self._feeders]

    def close(self, timeout_s: float = 5.0) -> None:
        """Let sinks take what waits, without further attempts after a failure, for `timeout_s` altogether.

        The sinks stay open: they belong to who made them. A thread that hangs inside of its sink is left behind.
        """
        for feeder in self._feeders:
            feeder.stop()
        for feeder in self._feeders:
            timeout_s -= feeder.join(timeout_s)

    def _offer(self, windows: Sequence[Window], samples: Sequence[Usage]) -> None:
        for feeder in self._feeders:
            feeder.offer([*windows, *samples])
