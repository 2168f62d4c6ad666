"""Feed sinks: each way into one has a thread, a bounded queue and a pause that grows while it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from serai.domain.collected import CollectedLine
from serai.domain.finished import FinishedRequest
from serai.domain.observation import Usage
from serai.domain.window import Window
from serai.plugin.sink import Sink, SinkState

from .feeder import Feeder, Lane, Verbs

_BATCH, _BATCH_LOG_BYTES = 500, 2**20


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """How much waits for a sink, and its pauses after failures.

    `waiting` are windows and samples together, `waiting_spans` sampled requests, `waiting_log_bytes` characters of
    lines and 200 more for each line.
    """

    waiting: int = 20_000
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    waiting_spans: int = 20_000
    waiting_log_bytes: int = 32 * 2**20


class SinkFeed:
    """Gives every sink what it wants, in the order of time, at least once; safe to use from any thread.

    Nothing here ever waits for a sink, and no sink, nor one of its ways, for another. A full queue drops its oldest
    entries, counts them and says so once an outage.
    """

    def __init__(self, sinks: Mapping[str, Sink], limits: FeedLimits | None = None) -> None:
        limits = limits or FeedLimits()
        self._feeders = [Feeder(name, _figures(sink, limits)) for name, sink in sinks.items()]
        self._logs = [Feeder(name, _logs(sink, limits)) for name, sink in sinks.items() if sink.wants_logs]
        self._spans = [Feeder(name, _spans(sink, limits)) for name, sink in sinks.items() if sink.wants_spans]

    @property
    def wants_logs(self) -> bool:
        return bool(self._logs)

    def write_windows(self, windows: Sequence[Window]) -> None:
        if windows:
            in_order = sorted(windows, key=lambda window: window.start)
            for feeder in self._feeders:
                feeder.offer(in_order)

    def write_usage(self, samples: Sequence[Usage]) -> None:
        if samples:
            for feeder in self._feeders:
                feeder.offer(samples)

    def write_logs(self, lines: Sequence[CollectedLine]) -> None:
        for feeder in self._logs:
            feeder.offer(lines)

    def write_spans(self, requests: Sequence[FinishedRequest], lost: int = 0) -> None:
        """Offer sampled requests; `lost` more were lost before they came here."""
        for feeder in self._spans:
            feeder.offer(requests)
            feeder.note_lost(lost)

    def states(self) -> list[SinkState]:
        return [feeder.state() for feeder in self._all()]

    def close(self, timeout_s: float = 5.0) -> None:
        """Let sinks take what waits, without further attempts after a failure, for `timeout_s` altogether.

        The sinks stay open: they belong to who made them. A thread that hangs inside of its sink is left behind.
        """
        for feeder in self._all():
            feeder.stop()
        for feeder in self._all():
            timeout_s -= feeder.join(timeout_s)

    def _all(self) -> Iterator[Feeder]:
        yield from (*self._feeders, *self._logs, *self._spans)


def _figures(sink: Sink, limits: FeedLimits) -> Lane:
    verbs: Verbs = {Window: sink.write_windows, Usage: sink.write_usage}
    return _lane("figures", verbs, limits.waiting, _BATCH, sink, limits)


def _logs(sink: Sink, limits: FeedLimits) -> Lane:
    return _lane("logs", {CollectedLine: sink.write_logs}, limits.waiting_log_bytes, _BATCH_LOG_BYTES, sink, limits)


def _spans(sink: Sink, limits: FeedLimits) -> Lane:
    return _lane("spans", {FinishedRequest: sink.write_spans}, limits.waiting_spans, _BATCH, sink, limits)


def _lane(way: str, verbs: Verbs, capacity: int, batch: int, sink: Sink, limits: FeedLimits) -> Lane:
    return Lane(way, verbs, capacity, batch, sink.gather_s, limits.first_pause_s, limits.longest_pause_s)
