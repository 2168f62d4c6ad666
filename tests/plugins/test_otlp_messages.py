"""What goes out by OTLP, decoded by the official messages at the other end of a real connection."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serai.domain.collected import CollectedLine
from serai.domain.digest import Digest
from serai.domain.finished import FinishedRequest
from serai.domain.observation import GpuUsage, LogLine, Stream, Usage
from serai.domain.window import Clock, SeriesKey, Summary, Window
from serai.plugin.testing.sinks import SinkContract
from serai_otlp.settings import OtlpSettings, Signal, Temporality
from serai_otlp.sink import OtlpSink
from serai_otlp.totals import KEPT_S
from tests.plugins.otlp_receiver import Receiver, read, running_receiver

NOW = 1_800_000_000.0
NOW_NS = 1_800_000_000 * 10**9
AT = datetime.fromtimestamp(NOW, UTC)
TRACE, SPAN_ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
REQUEST = FinishedRequest(
    "digits", 3, "digits-v3.1", "POST", "/digits/predict", 200, NOW + 0.25, 0.5, TRACE, SPAN_ID, PARENT, 0.25, 0.0,
    bytes_in=10, bytes_out=20, scheme="https", protocol="2.0", key_id="k1",
)  # fmt: skip


class Time:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sink(receiver: Receiver, time: Time) -> Iterator[OtlpSink]:
    made = OtlpSink(OtlpSettings(receiver.url, resource={"deployment.environment.name": "test"}), "http://serai", time)
    yield made
    made.close()


class TestContract(SinkContract):
    @pytest.fixture
    def sink(self, receiver: Receiver) -> Iterator[OtlpSink]:
        made = OtlpSink(OtlpSettings(receiver.url))
        yield made
        made.close()


def summary_of(*times: float, bytes_in: int = 0, bytes_out: int = 0) -> Summary:
    digest = Digest()
    for seconds in times:
        digest.add(seconds)
    digest.bytes_in, digest.bytes_out = bytes_in, bytes_out
    return digest.summary()


def make_window(number: int, *times: float, status: str = "2xx", clock: Clock = Clock.TOTAL, **more: int) -> Window:
    key = SeriesKey("digits", 3, "digits-v3.1", status, clock)
    return Window("g", number, NOW - 100 + 10 * number, 10.0, {key: summary_of(*times, **more)})


def test_requests_are_told_by_the_conventions(receiver: Receiver, sink: OtlpSink) -> None:
    sink.write_windows([make_window(1, 0.004, 0.2, 400.0, bytes_in=7, bytes_out=9), make_window(2, 3.0, status="5xx")])
    good, bad = receiver.points("http.server.request.duration")
    assert good.metric.unit == "s"
    assert good.metric.histogram.aggregation_temporality == (AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE)
    assert good.attributes == {
        "serai.deployment": "digits",
        "serai.version": 3,
        "serai.replica": "digits-v3.1",
        "serai.status_class": "2xx",
    }
    assert bad.attributes == good.attributes | {"serai.status_class": "5xx", "error.type": "5xx"}
    assert good.resource["service.name"] == "serai" and good.resource["service.instance.id"] == "http://serai"
    assert good.resource["deployment.environment.name"] == "test"
    point = good.point
    assert (point.count, point.min, point.max) == (3, 0.004, 400.0) and math.isclose(point.sum, 400.204)
    counted = dict(zip([*point.explicit_bounds, math.inf], point.bucket_counts, strict=True))
    assert {bound: count for bound, count in counted.items() if count} == {0.005: 1, 0.25: 1, math.inf: 1}
    assert point.start_time_unix_nano == (NOW - 90) * 1e9 and point.time_unix_nano == NOW * 1e9
    [count, failed] = receiver.points("serai.requests")
    assert (count.point.as_int, failed.point.as_int) == (3, 1)
    assert count.metric.sum.is_monotonic and count.metric.unit == "{request}"
    assert [one.point.as_int for one in receiver.points("serai.request.bytes")] == [7, 0]
    assert [one.point.as_int for one in receiver.points("serai.response.bytes")] == [9, 0]
    assert not receiver.points("serai.request.queue.duration")


def test_each_clock_has_its_metric(receiver: Receiver, sink: OtlpSink) -> None:
    sink.write_windows([make_window(1, 0.1, clock=Clock.QUEUE), make_window(2, 0.2, 0.3, clock=Clock.FIRST_BYTE)])
    assert [one.point.count for one in receiver.points("serai.request.queue.duration")] == [1]
    assert [one.point.count for one in receiver.points("serai.request.first_byte.duration")] == [2]
    assert not receiver.points("serai.requests")


def test_requests_whose_time_was_lost_are_in_a_bucket(receiver: Receiver, sink: OtlpSink) -> None:
    key = SeriesKey("digits", 3, "", "5xx", Clock.TOTAL)
    sink.write_windows([Window("g", 1, NOW, 10.0, {key: Summary(4, 0.8, 0.2, 0.2, ((0.2, 2.0),))})])
    [one] = receiver.points("http.server.request.duration")
    assert (one.point.count, sum(one.point.bucket_counts)) == (4, 4)
    assert "serai.replica" not in one.attributes


def test_cumulative_counts_go_on_from_where_they_began(receiver: Receiver, sink: OtlpSink, time: Time) -> None:
    sink.write_windows([make_window(2, 0.1, 0.1)])
    time.now += 10
    sink.write_windows([make_window(1, 0.1), make_window(3, 0.3, status="4xx")])  # one of them came late
    told = receiver.points("serai.requests")
    assert [(one.attributes["serai.status_class"], one.point.as_int) for one in told] == [
        ("2xx", 2),
        ("2xx", 3),
        ("4xx", 1),
    ]
    assert told[0].point.start_time_unix_nano == told[1].point.start_time_unix_nano
    assert told[1].point.time_unix_nano - told[0].point.time_unix_nano == 10e9


def test_delta_tells_the_news_alone(receiver: Receiver, time: Time) -> None:
    sink = OtlpSink(OtlpSettings(receiver.url, temporality=Temporality.DELTA), "", time)
    time.now += 10
    sink.write_windows([make_window(1, 0.1, 0.1), make_window(2, 0.2)])
    time.now += 10
    sink.write_windows([make_window(3, 0.1)])
    first, second = receiver.points("serai.requests")
    assert (first.point.as_int, second.point.as_int) == (3, 1)
    assert first.metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    assert first.point.start_time_unix_nano == NOW * 1e9
    assert first.point.time_unix_nano == second.point.start_time_unix_nano == (NOW + 10) * 1e9
    sink.close()


def test_counts_of_what_is_gone_are_forgotten(receiver: Receiver, sink: OtlpSink, time: Time) -> None:
    sink.write_windows([make_window(1, 0.1)])
    time.now += KEPT_S - 1
    sink.write_usage([Usage("digits-v3.1", AT, workload="digits-v3")])  # nobody calls it, but it lives
    time.now += 2
    sink.write_windows([make_window(1, 0.1, status="4xx")])
    sink.write_windows([make_window(1, 0.1)])
    time.now += KEPT_S + 10
    sink.write_windows([make_window(1, 0.1, status="4xx")])
    sink.write_windows([make_window(1, 0.1)])
    sink.forget("digits")
    sink.write_windows([make_window(1, 0.1)])
    told = receiver.points("serai.requests")
    counts = [one.point.as_int for one in told if one.attributes["serai.status_class"] == "2xx"]
    assert counts == [1, 2, 1, 1]


def test_what_replicas_use_is_told_where_it_is_known(receiver: Receiver, sink: OtlpSink) -> None:
    card = GpuUsage("GPU-1", "H100", 50.0, 4 * 2**30, None, power_w=300.5)
    known = Usage("digits-v3.1", AT, 0.5, None, 2.0, 100, None, (card,), workload="digits-v3")
    sink.write_usage([known, Usage("digits-v3.2", AT, workload="digits-v3"), replace(known, workload="another's")])
    replica = {"serai.deployment": "digits", "serai.version": 3, "serai.replica": "digits-v3.1"}
    gpu = replica | {"hw.id": "GPU-1", "hw.name": "H100", "hw.type": "gpu"}
    expected: dict[str, tuple[dict[str, Any], float, str]] = {
        "serai.replica.cpu.usage": (replica | {"cpu.mode": "user"}, 0.5, "{cpu}"),
        "serai.replica.cpu.limit": (replica, 2.0, "{cpu}"),
        "serai.replica.memory.usage": (replica, 100, "By"),
        "hw.gpu.utilization": (gpu, 0.5, "1"),
        "hw.gpu.memory.usage": (gpu, 4 * 2**30, "By"),
        "hw.power": (gpu, 300.5, "W"),
    }
    for name, (attributes, value, unit) in expected.items():
        [one] = receiver.points(name)  # of the other replica nothing is known, and the third is nobody's
        assert (one.attributes, one.metric.unit) == (attributes, unit)
        assert (one.point.as_int or one.point.as_double) == value
        assert one.point.time_unix_nano == NOW * 1e9
    for name in ("serai.replica.memory.limit", "hw.gpu.memory.limit", "hw.temperature", "serai.replica.restarts"):
        assert not receiver.points(name)


def test_zero_is_told_as_zero(receiver: Receiver, sink: OtlpSink) -> None:
    sink.write_usage([Usage("digits-v3.1", AT, cpu_user=0.0, memory_used_bytes=0, workload="digits-v3")])
    [cpu] = receiver.points("serai.replica.cpu.usage")
    assert cpu.point.WhichOneof("value") == "as_double" and cpu.point.as_double == 0
    [memory] = receiver.points("serai.replica.memory.usage")
    assert memory.point.WhichOneof("value") == "as_int"


def test_lines_are_records_of_their_replica(receiver: Receiver, sink: OtlpSink) -> None:
    def line(text: str, replica: str, stream: Stream = Stream.STDOUT) -> CollectedLine:
        return CollectedLine("digits", 3, LogLine(AT, replica, stream, text, "c"), AT + timedelta(seconds=1))

    sink.write_logs([line("one", "a"), line("two \udc80", "b", Stream.STDERR), line("three", "a", Stream.SYSTEM)])
    told = receiver.lines()
    assert [(resource["serai.replica"], record.body.string_value) for resource, record in told] == [
        ("a", "one"),
        ("a", "three"),
        ("b", "two ?"),
    ]
    resource, record = told[0]
    assert resource == {
        "service.name": "digits",
        "service.version": "3",
        "service.instance.id": "a",
        "serai.deployment": "digits",
        "serai.version": 3,
        "serai.replica": "a",
        "deployment.environment.name": "test",
    }
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (NOW * 1e9, (NOW + 1) * 1e9)
    assert [read(record.attributes)["log.iostream"] for _, record in told] == ["stdout", "system", "stderr"]


def export(receiver: Receiver, sink: OtlpSink, request: FinishedRequest) -> Span:
    sink.write_spans([request])
    return receiver.spans()[-1]


def test_a_request_is_a_server_span_of_its_trace(receiver: Receiver, sink: OtlpSink) -> None:
    span = export(receiver, sink, REQUEST)
    assert (span.name, span.kind) == ("POST digits", Span.SpanKind.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN_ID, PARENT)
    assert span.flags == 0x301  # sampled, and its parent is elsewhere
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (NOW_NS + 250_000_000, NOW_NS + 750_000_000)
    assert span.status.code == Status.StatusCode.STATUS_CODE_UNSET
    assert read(span.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/digits/predict",
        "url.scheme": "https",
        "network.protocol.version": "2",
        "http.request.body.size": 10,
        "http.response.body.size": 20,
        "serai.deployment": "digits",
        "serai.version": 3,
        "serai.replica": "digits-v3.1",
        "serai.key_id": "k1",
        "serai.clock.total": 0.5,
        "serai.clock.first_byte": 0.25,
        "serai.clock.queue": 0.0,
    }


@pytest.mark.parametrize(
    ("changes", "failed", "error_type"),
    [
        ({"status": 404}, False, None),
        ({"status": 401, "error": "unauthenticated"}, False, "unauthenticated"),
        ({"status": 502}, True, "502"),
        ({"status": 504, "error": "timeout-first-byte"}, True, "timeout-first-byte"),
        ({"status": 200, "error": "replica-failed"}, True, "replica-failed"),
    ],
)
def test_only_faults_of_the_server_are_errors(
    receiver: Receiver, sink: OtlpSink, changes: dict[str, Any], failed: bool, error_type: str | None
) -> None:
    span = export(receiver, sink, replace(REQUEST, **changes))
    assert (span.status.code == Status.StatusCode.STATUS_CODE_ERROR) is failed
    assert read(span.attributes).get("error.type") == error_type


def test_an_invented_method_makes_no_new_name(receiver: Receiver, sink: OtlpSink) -> None:
    span = export(receiver, sink, replace(REQUEST, method="BREW"))
    attributes = read(span.attributes)
    assert (span.name, attributes["http.request.method"], attributes["http.request.method_original"]) == (
        "HTTP digits",
        "_OTHER",
        "BREW",
    )


def test_a_trace_may_begin_here(receiver: Receiver, sink: OtlpSink) -> None:
    span = export(receiver, sink, replace(REQUEST, parent_id=""))
    assert (span.parent_span_id, span.flags) == (b"", 0x101)


@pytest.mark.parametrize("signal", list(Signal))
def test_only_what_is_asked_for_goes_out(receiver: Receiver, signal: Signal) -> None:
    sink = OtlpSink(OtlpSettings(receiver.url, export=frozenset({signal})))
    sink.write_windows([make_window(1, 0.1)])
    sink.write_usage([Usage("r", AT, 0.5, workload="digits-v3")])
    sink.write_logs([CollectedLine("digits", 3, LogLine(AT, "r", Stream.STDOUT, "x", "c"), AT)])
    sink.write_spans([REQUEST])
    sink.close()
    came = {
        "metrics": bool(receiver.points("serai.requests")),
        "logs": bool(receiver.lines()),
        "spans": bool(receiver.spans()),
    }
    assert [name for name, is_there in came.items() if is_there] == [signal.value]
    assert (sink.wants_logs, sink.wants_spans) == (signal is Signal.LOGS, signal is Signal.SPANS)
