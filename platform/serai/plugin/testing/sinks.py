"""The contract of `serai.plugin.Sink` as tests to inherit, under a name that begins with Test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from serai.domain.collected import CollectedLine
from serai.domain.finished import FinishedRequest
from serai.domain.observation import GpuUsage, LogLine, Stream, Usage
from serai.domain.window import Clock, SeriesKey, Summary, Window, dump_window
from serai.plugin.sink import Sink


def make_window(sequence: int = 1, start: float = 1_767_225_600.0) -> Window:
    """Return a window of two requests that reached a replica and one that was refused before."""
    reached = SeriesKey("kit", 1, "kit-1", "2xx", Clock.TOTAL)
    refused = SeriesKey("kit", 0, "", "5xx", Clock.QUEUE)
    series = {
        reached: Summary(2, 0.03, 0.01, 0.02, ((0.01, 1.0), (0.02, 1.0))),
        refused: Summary(1, 1.0, 1.0, 1.0, ((1.0, 1.0),)),
    }
    return Window("kit-gateway", sequence, start, 10.0, series)


def make_samples() -> list[Usage]:
    """Return a sample with every figure and one in which nothing is known."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    gpu = GpuUsage("GPU-1", "A100", 50.0, 2**30, 2**33)
    known = Usage("kit-v1.1", at, 0.5, 0.1, 2.0, 2**20, 2**30, (gpu,), workload="kit-v1")
    return [known, Usage("kit-v1.2", at, gpus=(GpuUsage("x", "y"),))]


def make_lines() -> list[CollectedLine]:
    """Return a line of each stream: a plain one, an empty one, one that is no valid Unicode."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    texts = zip(Stream, ("a line", "", "half a character: \udc80"), strict=True)
    return [CollectedLine("kit", 1, LogLine(at, "kit-v1.1", stream, text, "1"), at) for stream, text in texts]


def make_requests() -> list[FinishedRequest]:
    """Return a request of which all is known, and one that reached no replica, began its trace and got no answer."""
    full = FinishedRequest(
        "kit", 1, "kit-v1.1", "POST", "/kit/predict", 504, 1_767_225_600.0, 0.5, 32 * "a", 16 * "b", 16 * "c", 0.25,
        0.0, 10, 20, "timeout-idle", "https", "2.0", "k1",
    )  # fmt: skip
    return [full, FinishedRequest("kit", 0, "", "BREW", "/", 0, 1_767_225_600.0, 0.5, 32 * "d", 16 * "e")]


class SinkContract:
    """Writes must be accepted whatever figures are missing, and again, as batches are sent at least once."""

    @pytest.fixture
    def sink(self) -> Iterator[Sink]:
        """Override: yield a fresh sink and close it."""
        raise NotImplementedError("override the fixture `sink`")

    def test_nothing_to_write(self, sink: Sink) -> None:
        sink.write_windows([])
        sink.write_usage([])
        sink.write_logs([])
        sink.write_spans([])

    def test_windows_are_taken_and_left_as_they_were(self, sink: Sink) -> None:
        windows = [make_window(1), make_window(2, start=1_767_225_610.0)]
        before = [dump_window(window) for window in windows]
        sink.write_windows(windows)
        assert [dump_window(window) for window in windows] == before

    def test_a_window_may_come_again(self, sink: Sink) -> None:
        sink.write_windows([make_window(1)])
        sink.write_windows([make_window(1), make_window(2)])

    def test_an_empty_window(self, sink: Sink) -> None:
        sink.write_windows([Window("kit-gateway", 3, 1_767_225_620.0, 10.0, {})])

    def test_usage_with_unknown_figures(self, sink: Sink) -> None:
        sink.write_usage(make_samples())
        sink.write_usage(make_samples())

    def test_lines_and_requests_may_come_again(self, sink: Sink) -> None:
        for _ in range(2):
            sink.write_logs(make_lines())
            sink.write_spans(make_requests())

    def test_close_twice(self, sink: Sink) -> None:
        sink.write_windows([make_window()])
        sink.close()
        sink.close()
