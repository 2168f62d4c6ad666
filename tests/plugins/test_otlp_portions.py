"""A batch that a receiver finds too large comes in parts: nothing twice, and only what is too large alone is lost."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

from serai.domain.collected import CollectedLine
from serai.domain.observation import LogLine, Stream, Usage
from serai.domain.window import Clock, SeriesKey, Window
from serai.plugin import Busy, Rejected
from serai_otlp.portions import Portions, TooLarge
from serai_otlp.settings import OtlpSettings, Temporality
from serai_otlp.sink import OtlpSink
from tests.plugins.otlp_receiver import Receiver, Refusal, read, running_receiver
from tests.plugins.test_otlp_messages import NOW, REQUEST, summary_of

AT = datetime.fromtimestamp(NOW, UTC)


class Picky:
    """Takes portions whose sum is at most `most`, and none while `busy`."""

    def __init__(self, most: int = 10, refused: int | None = None) -> None:
        self.most = most
        self.refused = refused
        self.busy_at: int | None = None
        self.taken: list[int] = []
        self.asked = 0

    def __call__(self, some: Sequence[int]) -> None:
        self.asked += 1
        if self.asked == self.busy_at:
            raise Busy("busy", 1)
        if sum(some) > self.most:
            raise TooLarge("too large")
        if self.refused in some:
            raise Rejected("refused")
        self.taken += some


@pytest.mark.parametrize(
    ("batch", "refused", "taken", "dropped"),
    [
        ([], None, [], 0),
        ([5, 5], None, [5, 5], 0),
        ([5, 5, 5], None, [5, 5, 5], 0),
        (list(range(9)), None, list(range(9)), 0),
        ([1, 2, 11, 3, 4], None, [1, 2, 3, 4], 1),
        ([11], None, [], None),
        ([11, 12, 13], None, [], None),
        ([1, 2], 2, [], None),
        ([9, 9, 2, 3], 3, [9, 9], 2),
    ],
)
def test_what_is_too_large_is_halved(
    batch: list[int], refused: int | None, taken: list[int], dropped: int | None
) -> None:
    picky, portions = Picky(refused=refused), Portions[int]()
    if dropped == 0:
        portions.send(batch, picky)
    else:
        with pytest.raises(Rejected) as error:
            portions.send(batch, picky)
        assert error.value.count == dropped
    assert picky.taken == taken
    asked = picky.asked
    portions.send([1], picky)  # nothing is left over from before
    assert picky.taken == [*taken, 1] and picky.asked == asked + 1


@pytest.mark.parametrize("busy_at", range(1, 16))
def test_a_batch_that_comes_again_goes_on_where_it_was(busy_at: int) -> None:
    picky, portions, batch = Picky(), Portions[int](), [4, 4, 11, 4, 4, 4, 4, 4]
    picky.busy_at = busy_at
    with pytest.raises((Busy, Rejected)) as error:
        portions.send(batch, picky)
    if isinstance(error.value, Busy):
        assert picky.taken == [4] * len(picky.taken)
        with pytest.raises(Rejected) as error:
            portions.send(list(batch), picky)
    assert isinstance(error.value, Rejected) and error.value.count == 1
    assert picky.taken == [4] * 7


def test_another_batch_is_a_new_one() -> None:
    picky, portions = Picky(), Portions[int]()
    picky.busy_at = 3
    with pytest.raises(Busy):
        portions.send([6, 6], picky)
    assert picky.taken == [6]
    portions.send([6, 7], picky)
    assert picky.taken == [6, 6, 7]


# at a receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(params=list(Temporality))
def sink(receiver: Receiver, request: pytest.FixtureRequest) -> Iterator[OtlpSink]:
    made = OtlpSink(OtlpSettings(receiver.url, temporality=request.param))
    yield made
    made.close()


def lines(count: int, *long: int) -> list[CollectedLine]:
    texts = [f"line {number}" + number * "\N{SNOWMAN}" * (number in long) * 500 for number in range(count)]
    return [CollectedLine("digits", 3, LogLine(AT, "r", Stream.STDOUT, text, ""), AT) for text in texts]


def test_lines_spans_and_samples_come_in_parts(receiver: Receiver, sink: OtlpSink) -> None:
    receiver.limit_bytes = 3000
    sink.write_logs(lines(100))
    assert [record.body.string_value for _, record in receiver.lines()] == [f"line {number}" for number in range(100)]
    sink.write_spans([replace(REQUEST, span_id=f"{number + 1:016x}") for number in range(20)])
    assert [int.from_bytes(span.span_id) for span in receiver.spans()] == list(range(1, 21))
    sink.write_usage([Usage(f"digits-v3.{n}", AT, 0.5, workload="digits-v3") for n in range(50)])
    points = receiver.points("serai.replica.cpu.usage")
    assert [one.attributes["serai.replica"] for one in points] == [f"digits-v3.{n}" for n in range(50)]


def test_one_line_that_is_too_large_is_dropped_alone(receiver: Receiver, sink: OtlpSink) -> None:
    receiver.limit_bytes = 3000
    with pytest.raises(Rejected, match=r"answers 413: at most 3000 bytes") as error:
        sink.write_logs(lines(20, 7, 13))
    assert error.value.count == 2
    told = [record.body.string_value for _, record in receiver.lines()]
    assert told == [f"line {number}" for number in range(20) if number not in (7, 13)]


def test_one_window_with_many_series_comes_in_parts(receiver: Receiver, sink: OtlpSink) -> None:
    receiver.limit_bytes = 6000
    keys = [SeriesKey("digits", 3, f"r{number}", "2xx", Clock.TOTAL) for number in range(30)]
    window = Window("g", 1, NOW - 100, 10.0, {key: summary_of(0.1, 0.2) for key in keys})
    sink.write_windows([window])
    told = receiver.points("serai.requests")
    assert [(one.attributes["serai.replica"], one.point.as_int) for one in told] == [(key.replica, 2) for key in keys]
    receiver.messages.clear()
    receiver.refusal = Refusal(503)
    with pytest.raises(Busy):
        sink.write_windows([window])
    receiver.refusal = None
    sink.write_windows([window])
    counts = {one.point.as_int for one in receiver.points("serai.requests")}
    is_delta = receiver.points("serai.requests")[0].metric.sum.aggregation_temporality == 1
    assert counts == {2 if is_delta else 4}


def test_a_part_that_was_taken_is_not_sent_again(receiver: Receiver, sink: OtlpSink) -> None:
    receiver.limit_bytes, receiver.most_messages = 3000, 3
    batch = lines(100)
    with pytest.raises(Busy):
        sink.write_logs(batch)
    assert 0 < len(receiver.lines()) < 100
    receiver.most_messages = None
    sink.write_logs(list(batch))
    assert [record.body.string_value for _, record in receiver.lines()] == [f"line {number}" for number in range(100)]


# nothing of the process is the SDK's


def test_the_sdk_changes_nothing_of_the_process(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No provider, thread or callback at the end; what the environment says to other programs is nothing to it."""
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-from=environment",
        "OTEL_RESOURCE_ATTRIBUTES": "from=environment",
        "OTEL_SERVICE_NAME": "environment",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "1",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG, "opentelemetry")
    threads, callbacks = set(threading.enumerate()), atexit._ncallbacks()
    sink = OtlpSink(OtlpSettings(receiver.url))
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, False, trace.TraceFlags(1)))):
        sink.write_logs(lines(1))
    sink.write_spans([REQUEST])
    sink.write_usage([Usage("digits-v3.1", AT, 0.5, workload="digits-v3")])
    assert {thread for thread in threading.enumerate() if "process_request" not in thread.name} <= threads
    assert atexit._ncallbacks() == callbacks
    sink.close()
    [(resource, record)] = receiver.lines()
    assert (resource["service.name"], record.trace_id, record.flags) == ("digits", b"", 0)
    assert "from" not in resource
    assert len(read(receiver.spans()[0].attributes)) > 10
    assert not any("x-from" in headers for headers in receiver.headers)
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider()):
        assert type(provider).__name__.lstrip("_").startswith("Proxy")
    assert not [one for one in caplog.records if one.name.startswith("opentelemetry")]
