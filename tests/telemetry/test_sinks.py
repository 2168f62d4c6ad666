"""Sinks that are slow, dead or raise: nobody waits for them, nothing is lost that fits, drops are counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest

from serai.domain.collected import CollectedLine
from serai.domain.finished import FinishedRequest
from serai.domain.observation import LogLine, Stream, Usage
from serai.domain.window import Window
from serai.plugin.sink import Busy, Rejected, Sink
from serai.telemetry.sinks import FeedLimits, SinkFeed
from tests.waiting import eventually

QUICK = FeedLimits(waiting=10, first_pause_s=0.01, longest_pause_s=0.02)


class RecordingSink(Sink):
    def __init__(self) -> None:
        self.windows: list[int] = []
        self.samples: list[str] = []

    def write_windows(self, windows: Sequence[Window]) -> None:
        self.windows += [window.sequence for window in windows]

    def write_usage(self, samples: Sequence[Usage]) -> None:
        self.samples += [sample.replica for sample in samples]


class RaisingSink(RecordingSink):
    """Fails until told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.works = False
        self.calls = 0

    def write_windows(self, windows: Sequence[Window]) -> None:
        self.calls += 1
        if not self.works:
            raise OSError("connection refused")
        super().write_windows(windows)


class DeadSink(RecordingSink):
    """Never returns from a call, until released."""

    def __init__(self) -> None:
        super().__init__()
        self.called = threading.Event()
        self.released = threading.Event()

    def write_windows(self, windows: Sequence[Window]) -> None:
        self.called.set()
        self.released.wait()
        super().write_windows(windows)


MakeFeed = Callable[..., SinkFeed]


@pytest.fixture
def make_feed() -> Iterator[MakeFeed]:
    """Make feeds that end with the test; no thread is left."""
    before = set(threading.enumerate())
    feeds: list[SinkFeed] = []

    def make(limits: FeedLimits = QUICK, **sinks: Sink) -> SinkFeed:
        feeds.append(SinkFeed(sinks, limits))
        return feeds[-1]

    yield make
    for feed in feeds:
        feed.close(timeout_s=5)
    eventually(lambda: set(threading.enumerate()) <= before)


def make_windows(*numbers: int) -> list[Window]:
    return [Window("g", number, 10.0 * number, 10.0, {}) for number in numbers]


def make_sample(replica: str) -> Usage:
    return Usage(replica, datetime(2026, 1, 1, tzinfo=UTC))


def test_windows_come_in_order_of_time_and_samples_between_them(make_feed: MakeFeed) -> None:
    sink = RecordingSink()
    feed = make_feed(one=sink)
    feed.write_windows(make_windows(2, 1))
    feed.write_usage([make_sample("a")])
    feed.write_windows(make_windows(3))
    feed.close()
    assert (sink.windows, sink.samples) == ([1, 2, 3], ["a"])


def test_a_dead_sink_delays_nobody_and_its_drops_are_counted_and_told_once(
    make_feed: MakeFeed, caplog: pytest.LogCaptureFixture
) -> None:
    dead, well = DeadSink(), RecordingSink()
    feed = make_feed(dead=dead, well=well)
    feed.write_windows(make_windows(0))
    assert dead.called.wait(5)
    for number in range(1, 30):
        feed.write_windows(make_windows(number))
        eventually(lambda number=number: len(well.windows) == number + 1)
    states = {state.name: state for state in feed.states()}
    assert (states["dead"].waiting, states["dead"].dropped) == (10, 20)
    assert (states["well"].waiting, states["well"].dropped) == (0, 0)
    dropped = [record for record in caplog.records if "oldest are dropped" in record.message]
    assert [record.getMessage().split(":")[0] for record in dropped] == ["sink dead"]
    dead.released.set()
    eventually(lambda: dead.windows == [0, *range(21, 30)])  # the newest are kept


def test_a_raising_sink_gets_the_same_batch_again(make_feed: MakeFeed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = RaisingSink()
    feed = make_feed(sad=sink)
    feed.write_windows(make_windows(1, 2))
    eventually(lambda: sink.calls >= 3)
    feed.write_usage([make_sample("a")])
    [state] = feed.states()
    assert state.last_error == "OSError: connection refused"
    assert state.waiting == 3
    sink.works = True
    eventually(lambda: sink.samples == ["a"])
    assert sink.windows == [1, 2]
    eventually(lambda: feed.states()[0].last_error == "")
    told = [record.getMessage() for record in caplog.records]
    assert told == ["sink sad: failed and is tried again from now on: connection refused", "sink sad: works again"]


def test_closing_gives_up_on_a_failing_sink_at_once(make_feed: MakeFeed, caplog: pytest.LogCaptureFixture) -> None:
    sink = RaisingSink()
    feed = make_feed(FeedLimits(waiting=10, first_pause_s=3600, longest_pause_s=3600), sad=sink)
    feed.write_windows(make_windows(1))
    eventually(lambda: sink.calls == 1)
    feed.close()
    assert "1 entries are lost" in caplog.text


def test_closing_leaves_a_dead_sink_behind(make_feed: MakeFeed, caplog: pytest.LogCaptureFixture) -> None:
    dead, well = DeadSink(), RecordingSink()
    feed = make_feed(dead=dead, well=well)
    feed.write_windows(make_windows(1))
    assert dead.called.wait(5)
    feed.close(timeout_s=0.05)
    assert well.windows == [1]
    assert "still in a call" in caplog.text
    dead.released.set()


def test_the_pause_grows_to_its_limit(make_feed: MakeFeed) -> None:
    sink = RaisingSink()
    feed = make_feed(FeedLimits(waiting=10, first_pause_s=0.001, longest_pause_s=0.002), sad=sink)
    feed.write_windows(make_windows(1))
    eventually(lambda: sink.calls >= 10)


class WholeSink(RecordingSink):
    """Takes everything; what is named in `raises` fails until it is taken out."""

    wants_logs = wants_spans = True

    def __init__(self, gather_s: float = 0.0) -> None:
        super().__init__()
        self.gather_s = gather_s
        self.raises: dict[str, Exception] = {}
        self.lines: list[str] = []
        self.collected: list[CollectedLine] = []
        self.usage: list[Usage] = []
        self.spans: list[str] = []
        self.calls = 0

    def write_windows(self, windows: Sequence[Window]) -> None:
        self._call("figures")
        super().write_windows(windows)

    def write_logs(self, lines: Sequence[CollectedLine]) -> None:
        self._call("logs")
        self.lines += [line.line.text for line in lines]
        self.collected += lines

    def write_usage(self, samples: Sequence[Usage]) -> None:
        super().write_usage(samples)
        self.usage += samples

    def write_spans(self, requests: Sequence[FinishedRequest]) -> None:
        self._call("spans")
        self.spans += [request.span_id for request in requests]

    def _call(self, way: str) -> None:
        self.calls += 1
        if way in self.raises:
            raise self.raises[way]


def make_lines(*texts: str) -> list[CollectedLine]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [CollectedLine("m", 1, LogLine(at, "m-v1.1", Stream.STDOUT, text, text), at) for text in texts]


def make_requests(*ids: str) -> list[FinishedRequest]:
    return [FinishedRequest("m", 1, "m-v1.1", "GET", "/", 200, 1.0, 0.1, "t", id) for id in ids]


def states_of(feed: SinkFeed) -> dict[str, tuple[int, int, str]]:
    return {state.way: (state.waiting, state.dropped, state.last_error) for state in feed.states()}


def test_a_way_that_fails_holds_up_no_other(make_feed: MakeFeed) -> None:
    sink = WholeSink()
    feed = make_feed(whole=sink)
    sink.raises["logs"] = OSError("no")
    feed.write_logs(make_lines("a"))
    eventually(lambda: states_of(feed)["logs"][2])
    feed.write_windows(make_windows(1))
    feed.write_spans(make_requests("s"))
    eventually(lambda: sink.windows == [1] and sink.spans == ["s"])
    sink.raises.clear()
    feed.write_logs(make_lines("b"))
    eventually(lambda: sink.lines == ["a", "b"])


def test_lines_are_weighed_and_the_oldest_give_way(make_feed: MakeFeed) -> None:
    sink = WholeSink()
    feed = make_feed(FeedLimits(first_pause_s=0.01, longest_pause_s=0.02, waiting_log_bytes=900), whole=sink)
    sink.raises["logs"] = OSError("no")
    feed.write_logs(make_lines("first"))
    eventually(lambda: sink.calls)
    feed.write_logs(make_lines("x" * 500, "small", "y" * 300))
    assert states_of(feed)["logs"][:2] == (2, 2)  # the one in the call stays, and what fits beside it
    sink.raises.clear()
    eventually(lambda: sink.lines == ["first", "y" * 300])


def test_what_is_rejected_does_not_come_again(make_feed: MakeFeed, caplog: pytest.LogCaptureFixture) -> None:
    sink = WholeSink()
    feed = make_feed(whole=sink)
    sink.raises["spans"] = Rejected("too old")
    for number in range(3):
        feed.write_spans(make_requests("a", "b"))
        eventually(lambda number=number: states_of(feed)["spans"] == (0, 2 * number + 2, "Rejected: too old"))
    assert sink.calls == 3
    sink.raises["spans"] = Rejected("one is too old", 1)
    feed.write_spans(make_requests("a", "b"))
    eventually(lambda: states_of(feed)["spans"][1] == 7)
    sink.raises.clear()
    feed.write_spans(make_requests("c"))
    eventually(lambda: sink.spans == ["c"] and states_of(feed)["spans"] == (0, 7, ""))
    assert len([one for one in caplog.records if "refused for good" in one.getMessage()]) == 1


def test_a_busy_sink_is_left_alone_for_as_long_as_it_asks(make_feed: MakeFeed) -> None:
    sink = WholeSink()
    feed = make_feed(whole=sink)
    sink.raises["figures"] = Busy("later", 0.5)
    feed.write_windows(make_windows(1))
    eventually(lambda: sink.calls == 1)
    sink.raises.clear()
    time.sleep(0.2)  # ten of the pauses that a failure has
    assert sink.calls == 1
    eventually(lambda: sink.windows == [1])


def test_entries_gather(make_feed: MakeFeed) -> None:
    sink = WholeSink(gather_s=0.3)
    feed = make_feed(whole=sink)
    for number in range(8):
        feed.write_windows(make_windows(number))
        eventually(lambda: sink.calls)
    eventually(lambda: sink.windows == list(range(8)))
    assert sink.calls == 2
    feed.write_windows(make_windows(8))
    feed.close()  # waits for nothing more
    assert sink.windows == list(range(9))


def test_a_sink_that_wants_figures_alone_gets_no_more_threads(make_feed: MakeFeed) -> None:
    feed = make_feed(one=RecordingSink())
    feed.write_logs(make_lines("a"))
    feed.write_spans(make_requests("s"), lost=3)
    assert list(states_of(feed)) == ["figures"] and not feed.wants_logs


def test_what_was_lost_on_the_way_is_counted(make_feed: MakeFeed) -> None:
    feed = make_feed(whole=WholeSink())
    feed.write_spans(make_requests("s"), lost=3)
    eventually(lambda: states_of(feed)["spans"] == (0, 3, ""))
