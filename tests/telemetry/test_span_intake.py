"""What is counted of spans equals a slow reading of the official message types, in both encodings, each batch once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serai.domain import attributes as names
from serai.domain.errors import CapacityExceeded, SeraiError, ServerUnavailable
from serai.domain.window import Clock, SeriesKey, Window
from serai.telemetry.fold import Folder
from serai.telemetry.span_decoding import sort_spans
from serai.telemetry.span_facts import FactTable
from serai.telemetry.span_groups import MOST_SPANS, Malformed, TooManySpans
from serai.telemetry.span_intake import Refused, Sender, SpanIntake
from serai.telemetry.span_wire import WireLookup, value_of
from tests.telemetry.otlp_spans import (
    NOW,
    SERVER,
    make_request,
    make_span,
    make_value,
    requests,
    to_json,
    uniform_requests,
)

VERSIONS = {"digits": {1, 2}, "whisper": {1}, "closed": {1}}
SENDER = Sender("ci", lambda deployment: deployment != "closed")
Figures = dict[tuple[float, SeriesKey], tuple[object, ...]]


@dataclass
class Desk:
    """An intake with its surroundings: what it stored, and whether storing fails or waits."""

    stored: list[Window] = field(default_factory=list)
    error: SeraiError | None = None
    gate: threading.Event | None = None
    calls: int = 0

    def __post_init__(self) -> None:
        self.intake = SpanIntake(self.take_windows, VERSIONS.get, lambda: NOW, "otlp-1")

    def take_windows(self, windows: Sequence[Window]) -> int:
        self.calls += 1
        if self.gate is not None:
            self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.stored += windows
        return len(windows)

    def take(self, request: ExportTraceServiceRequest, is_json: bool = False, sender: Sender = SENDER) -> Refused:
        body = to_json(request) if is_json else request.SerializeToString()
        return self.intake.take(sort_spans(body, is_json), sender)

    def figures(self) -> Figures:
        return figures_of([(window.start, window.series) for window in self.stored])

    def counts(self) -> Counter[tuple[str, int, str, str]]:
        found: Counter[tuple[str, int, str, str]] = Counter()
        for window in self.stored:
            for key, summary in window.series.items():
                if key.clock is Clock.TOTAL:
                    found[key.deployment, key.version, key.replica, key.status] += summary.count
        return found


def figures_of(windows: Sequence[tuple[float, object]]) -> Figures:
    return {
        (start, key): (s.count, pytest.approx(s.sum_s), s.min_s, s.max_s, s.centroids, s.bytes_in, s.bytes_out)
        for start, series in windows
        for key, s in dict(series).items()  # type: ignore[call-overload]
    }


class Reference:
    """Reads each span by itself, in the words of docs/howto/traces.md."""

    def __init__(self, request: ExportTraceServiceRequest) -> None:
        self.folder = Folder()
        self.refused = 0
        self.kept: Counter[bytes] = Counter()
        self.kept_ids: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for of_resource in request.resource_spans:
            for scope in of_resource.scope_spans:
                for span in scope.spans:
                    self.read(span, of_resource.resource.attributes)
        self.windows = self.folder.take(0.0, all=True)

    def read(self, span: Span, of_resource: Sequence[KeyValue]) -> None:
        said: dict[str, object] = {"deployment": "", "version": 0, "replica": "", "gateway": "", "status": 499}
        own: dict[str, int] = {}
        try:
            for is_own, pair in [*((False, pair) for pair in of_resource), *((True, pair) for pair in span.attributes)]:
                if pair.key in CONSTANT:
                    kind, read = CONSTANT[pair.key]
                    said[kind] = read(value_of(pair.value))
                elif pair.key in VARYING:
                    number = VARYING[pair.key](value_of(pair.value))
                    if is_own:
                        own[pair.key] = number
        except ValueError:
            self.refused += 1
            return
        if self.is_refused(span, said):
            self.refused += 1
        elif span.kind != SERVER or not said["gateway"]:
            self.kept[span.trace_id] += 1
            self.kept_ids[span.trace_id].add(span.span_id)
        else:
            self.count(span, said, own)

    def is_refused(self, span: Span, said: dict[str, object]) -> bool:
        deployment, version = str(said["deployment"]), said["version"]
        is_known = deployment in VERSIONS and deployment != "closed" and version in {0, *VERSIONS[deployment]}
        is_named = len(span.trace_id) == 16 and len(span.span_id) == 8
        return not (is_known and is_named and NOW - 86_400 < span.end_time_unix_nano / 1e9 < NOW + 300)

    def count(self, span: Span, said: dict[str, object], own: dict[str, int]) -> None:
        total_us = (span.end_time_unix_nano - span.start_time_unix_nano) // 1000
        first_us, queue_us = own.get(names.CLOCK_FIRST_BYTE), own.get(names.CLOCK_QUEUE)
        self.folder.add(
            str(said["deployment"]),
            int(str(said["version"])),
            str(said["replica"]),
            int(str(said["status"])),
            total_us / 1e6,
            None if first_us is None else first_us / 1e6,
            None if queue_us is None else queue_us / 1e6,
            span.end_time_unix_nano // 10**10 * 10.0,
            bytes_in=own.get(names.REQUEST_BYTES, 0),
            bytes_out=own.get(names.RESPONSE_BYTES, 0),
        )


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def whole(most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str) or not 0 <= int(value) <= most:
            raise ValueError(value)
        return int(value)

    return read


def number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    return value


def to_us(value: object) -> int:
    seconds = number(value)
    if not seconds >= 0:
        return 0
    return 10**15 if seconds > 1e9 else int(seconds * 1e6 + 0.5)


def to_size(value: object) -> int:
    size = number(value)
    return int(size) if 0 <= size <= 2**50 else 0


CONSTANT: dict[str, tuple[str, Callable[[object], object]]] = {
    names.DEPLOYMENT: ("deployment", text),
    names.VERSION: ("version", whole(2**31 - 1)),
    names.REPLICA: ("replica", text),
    names.GATEWAY: ("gateway", text),
    names.STATUS_CODE: ("status", whole(599)),
    "http.status_code": ("status", whole(599)),
}
VARYING = {
    names.CLOCK_FIRST_BYTE: to_us,
    names.CLOCK_QUEUE: to_us,
    names.REQUEST_BYTES: to_size,
    names.RESPONSE_BYTES: to_size,
}


@settings(max_examples=150)
@given(requests(), st.booleans())
def test_what_is_folded_equals_a_slow_reading(request: ExportTraceServiceRequest, is_json: bool) -> None:
    desk, expected = Desk(), Reference(request)
    assert desk.take(request, is_json).spans == expected.refused
    assert desk.figures() == figures_of(expected.windows)
    kept = {trace_id: len(desk.intake.traces.find(trace_id)) for trace_id in expected.kept}
    assert sum(kept.values()) <= expected.kept.total()  # the same span twice is one
    assert all(kept.values())


@settings(max_examples=150)
@given(uniform_requests())
def test_what_is_folded_of_like_spans_equals_a_slow_reading(request: ExportTraceServiceRequest) -> None:
    desk, expected = Desk(), Reference(request)
    assert desk.take(request).spans == expected.refused
    assert desk.figures() == figures_of(expected.windows)
    assert {id for id in expected.kept if not desk.intake.traces.find(id)} == set()


@settings(max_examples=100)
@given(requests())
def test_kept_spans_are_whole(request: ExportTraceServiceRequest) -> None:
    """The reduced types lose nothing of a span, nor does the way from JSON."""
    desks, expected = (Desk(), Desk()), Reference(request)
    for desk, is_json in zip(desks, (False, True), strict=True):
        desk.take(request, is_json)
    for trace_id in {
        span.trace_id for of in request.resource_spans for scope in of.scope_spans for span in scope.spans
    }:
        wire, from_json = (
            [Span.FromString(kept.encoded) for kept in desk.intake.traces.find(trace_id)] for desk in desks
        )
        assert repr(wire) == repr(from_json)  # NaN is not equal to itself
        assert {span.span_id for span in wire} == expected.kept_ids[trace_id]


def encode_field(number: int, wire_type: int, payload: bytes) -> bytes:
    return bytes([number << 3 | wire_type]) + payload


def long_varint(value: int, length: int) -> bytes:
    """Return a varint that takes more bytes than it needs, which is allowed."""
    parts = [value >> 7 * place & 0x7F for place in range(length)]
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])


@settings(max_examples=200)
@given(
    st.sampled_from([names.DEPLOYMENT, names.CLOCK_QUEUE, names.REQUEST_BYTES, names.VERSION, "url.path", ""]),
    st.one_of(st.text(max_size=3), st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.just(b"x" * 200)),
    st.integers(1, 5),
    st.permutations(["key", "value", "unknown"]),
    st.sets(st.sampled_from(["unknown", "key again"])),
)
def test_an_attribute_means_the_same_however_it_is_written(
    name: str, value: object, length: int, order: list[str], more: set[str]
) -> None:
    inner = make_value(value).SerializeToString()
    parts = {
        "key": encode_field(1, 2, long_varint(len(name), length) + name.encode()),
        "value": encode_field(2, 2, long_varint(len(inner), max(length, 2)) + inner),
        "unknown": encode_field(9, 0, b"\x01") if "unknown" in more else b"",
    }
    raw = b"".join(parts[part] for part in order)
    if "key again" in more:
        raw += encode_field(1, 2, bytes([len(names.REPLICA)]) + names.REPLICA.encode())
    pair = KeyValue.FromString(raw)
    table, expected = FactTable(), FactTable()
    assert WireLookup(table)[raw] == expected.note(pair.key, value_of(pair.value))
    assert (table.first_us, table.queue_us, table.bytes_in) == (
        expected.first_us, expected.queue_us, expected.bytes_in,
    )  # fmt: skip


def test_a_batch_is_counted_once_however_often_it_comes() -> None:
    desk = Desk()
    batch = make_request(*map(make_span, range(1, 1001)))
    for is_json in (False, True, False):
        assert desk.take(batch, is_json) == Refused(0, "")
    assert desk.counts() == {("digits", 1, "", "2xx"): 1000}
    assert [window.sequence for window in desk.stored] == [1]
    desk.take(make_request(make_span(1001)))
    desk.take(batch, sender=Sender("somebody else", SENDER.may_tell_of))
    assert desk.counts().total() == 2001


def test_a_batch_that_could_not_be_stored_is_counted_when_it_comes_again() -> None:
    desk = Desk(error=ServerUnavailable("the disk is away"))
    batch = make_request(make_span(), make_span(2, kind=Span.SPAN_KIND_INTERNAL))
    with pytest.raises(SeraiError, match="disk is away"):
        desk.take(batch)
    assert desk.intake.traces.find(batch.resource_spans[0].scope_spans[0].spans[1].trace_id) == []
    desk.error = None
    desk.take(batch)
    assert desk.counts().total() == 1


def test_senders_share_transactions_and_a_batch_that_is_being_stored_is_not_counted_again() -> None:
    desk = Desk(gate=threading.Event())
    batches = [make_request(make_span(number)) for number in (1, 1, 2, 3, 4, 4, 5)]
    threads = [threading.Thread(target=desk.take, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # the first is being stored while the others come
    assert desk.calls == 1
    assert desk.gate is not None
    desk.gate.set()
    for thread in threads:
        thread.join(10)
    assert desk.counts() == {("digits", 1, "", "2xx"): 5}
    assert desk.calls == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"serai__deployment": None}, "has to say serai.deployment"),
        ({"serai__deployment": "nothing"}, "no deployment 'nothing' of which this token may tell"),
        ({"serai__deployment": "closed"}, "no deployment 'closed' of which this token may tell"),
        ({"serai__version": 7}, "digits has no version 7"),
        ({"serai__version": "one"}, "serai.version cannot be 'one'"),
        ({"serai__replica": "x" * 201}, "serai.replica cannot be 'xxx"),
        ({"serai__replica": "a\nb"}, "serai.replica cannot be"),
        ({"http__response__status_code": 600}, "http.response.status_code cannot be '600'"),
        ({"serai__clock__queue": "long"}, "serai.clock.queue cannot be 'long'"),
        ({"ended_at": NOW - 86_500}, "in the last 24 hours"),
        ({"ended_at": NOW + 301}, "no more than 5 minutes from now"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_a_sentence(changes: dict[str, object], why: str) -> None:
    desk = Desk()
    refused = desk.take(make_request(make_span(1), make_span(2, **changes)))  # type: ignore[arg-type]
    assert refused.spans == 1
    assert why in refused.why
    assert desk.counts().total() == 1


@pytest.mark.parametrize(
    ("changes", "series"),
    [
        ({}, ("digits", 1, "", "2xx")),
        ({"serai__version": None, "serai__replica": "r"}, ("digits", 0, "r", "2xx")),
        ({"serai__version": "2"}, ("digits", 2, "", "2xx")),
        ({"http__response__status_code": None}, ("digits", 1, "", "4xx")),
        ({"http__response__status_code": None, "http__status_code": 503}, ("digits", 1, "", "5xx")),
    ],
)
def test_a_server_span_of_another_gateway_is_a_request(
    changes: dict[str, object], series: tuple[str, int, str, str]
) -> None:
    desk = Desk()
    desk.take(make_request(make_span(**changes)))  # type: ignore[arg-type]
    assert desk.counts() == {series: 1}
    assert not desk.intake.traces.find(make_span().trace_id)


@pytest.mark.parametrize(
    "changes", [{"kind": Span.SPAN_KIND_INTERNAL}, {"kind": Span.SPAN_KIND_CLIENT}, {"serai__gateway": None}]
)
def test_any_other_span_joins_its_trace_and_is_not_counted(changes: dict[str, object]) -> None:
    desk = Desk()
    span = make_span(**changes)  # type: ignore[arg-type]
    assert desk.take(make_request(span)).spans == 0
    assert not desk.stored
    [kept] = desk.intake.traces.find(span.trace_id)
    assert Span.FromString(kept.encoded) == span
    assert (kept.facts.deployment, kept.facts.version) == ("digits", 1)


def test_the_resource_speaks_for_its_spans_unless_they_say_otherwise() -> None:
    desk = Desk()
    silent = {"serai__deployment": None, "serai__version": None, "serai__gateway": None}
    of_resource = {"serai__deployment": "whisper", "serai__version": "1", "serai__gateway": "edge"}
    desk.take(make_request(make_span(1, **silent), make_span(2), **of_resource))  # type: ignore[arg-type]
    assert desk.counts() == {("whisper", 1, "", "2xx"): 1, ("digits", 1, "", "2xx"): 1}


def test_times_and_bytes_are_those_of_the_span() -> None:
    desk = Desk()
    sizes = {"http__request__body__size": 100, "http__response__body__size": 2**40}
    clocks = {"serai__clock__first_byte": 0.125, "serai__clock__queue": 0, "serai__clock__total": 99.0}
    desk.take(make_request(make_span(took_s=0.5, **sizes, **clocks)))  # type: ignore[arg-type]
    [window] = desk.stored
    found = {key.clock: summary for key, summary in window.series.items()}
    assert {clock: summary.sum_s for clock, summary in found.items()} == {
        Clock.TOTAL: 0.5,
        Clock.FIRST_BYTE: 0.125,
        Clock.QUEUE: 0.0,
    }
    assert (found[Clock.TOTAL].bytes_in, found[Clock.TOTAL].bytes_out) == (100, 2**40)
    assert (window.start, window.length_s) == (NOW, 10.0)


def test_the_reasons_of_a_batch_are_told_by_how_many_spans_they_are_of() -> None:
    unknown = [make_span(n, serai__deployment=f"d{n % 4}") for n in range(1, 9)]
    refused = Desk().take(make_request(*unknown, make_span(9, serai__deployment="d0")))
    assert refused.spans == 9
    assert refused.why.startswith("3 x there is no deployment 'd0'")
    assert refused.why.endswith("and 1 more reasons")


def test_many_spans_are_refused_before_they_are_read() -> None:
    empty_spans = encode_field(2, 2, b"\x00") * (MOST_SPANS + 1)
    resource = encode_field(2, 2, long_varint(len(empty_spans), 5) + empty_spans)
    body = encode_field(1, 2, long_varint(len(resource), 5) + resource)
    with pytest.raises(TooManySpans):
        sort_spans(body, is_json=False)
    spans = ",".join(["{}"] * (MOST_SPANS + 1))
    with pytest.raises(TooManySpans):
        sort_spans(b'{"resourceSpans": [{"scopeSpans": [{"spans": [%s]}]}]}' % spans.encode(), is_json=True)


def sort_anything(body: bytes, is_json: bool) -> None:
    """Sort what may be junk: it is refused by name, or taken."""
    try:
        sorter = sort_spans(body, is_json)
    except (Malformed, TooManySpans):
        return
    Desk().intake.take(sorter, SENDER)


@settings(max_examples=150)
@given(st.binary(max_size=200), st.booleans())
def test_junk_is_refused_and_nothing_else_happens(body: bytes, is_json: bool) -> None:
    sort_anything(body, is_json)


@settings(max_examples=100)
@given(requests(), st.randoms(use_true_random=False), st.booleans())
def test_a_damaged_request_is_refused_or_taken(
    request: ExportTraceServiceRequest, chance: random.Random, is_json: bool
) -> None:
    body = bytearray(to_json(request) if is_json else request.SerializeToString())
    for _ in range(chance.randint(1, 5)):
        if body:
            place = chance.randrange(len(body))
            body[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    sort_anything(bytes(body), is_json)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "{",
        "\x00",
        '{"resourceSpans": 1}',
        '{"resourceSpans": [1]}',
        '{"resourceSpans": [{"resource": []}]}',
        '{"resourceSpans": [{"resource": {"attributes": [{"key": "serai.version", "value": {"intValue": "x"}}]}}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SPAN_KIND_SERVER"}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"endTimeUnixNano": -1}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": NaN}]}]}]}',
        "[" * 100_000,
    ],
)
def test_json_that_is_no_request_is_refused_with_a_sentence(body: str) -> None:
    with pytest.raises(Malformed, match=r"JSON|has to|cannot be"):
        sort_spans(body.encode(), is_json=True)


def test_json_may_hold_what_is_not_known_yet_and_null() -> None:
    body = b"""{"resourceSpans": [{"newThing": 1, "resource": null, "scopeSpans": [{"scope": {"name": "x"}, "spans": [
        {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "n", "kind": 1,
         "startTimeUnixNano": "1767225599000000000", "endTimeUnixNano": 1767225600000000000, "new": {"a": []},
         "attributes": [{"key": "serai.deployment", "value": {"stringValue": "digits"}}, {"key": "other"}],
         "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}],
         "status": {"code": 2}, "events": null, "flags": 1}]}]}]}"""
    desk = Desk()
    assert desk.intake.take(sort_spans(body, is_json=True), SENDER) == Refused(0, "")
    [kept] = desk.intake.traces.find(bytes.fromhex("5b8efff798038103d269b633813fc60c"))
    span = Span.FromString(kept.encoded)
    assert (span.name, span.links[0].span_id.hex(), span.status.code) == ("n", "eee19b7ec3c1b174", 2)


def test_a_full_intake_says_when_to_come_back() -> None:
    intake = SpanIntake(len, VERSIONS.get, lambda: NOW, "otlp-1", places=1, most_bytes=100)
    with intake.place() as take_room:
        take_room(60)
        with pytest.raises(CapacityExceeded), intake.place():
            pass
        with pytest.raises(CapacityExceeded) as caught:
            take_room(60)
        assert caught.value.retry_after_s == 1.0
    with intake.place() as take_room:
        take_room(100)


def with_length(raw: bytes) -> bytes:
    return long_varint(len(raw), 3) + raw


def make_body(spans: Sequence[bytes]) -> bytes:
    """Return a request of spans that are encoded already."""
    scope = b"".join(encode_field(2, 2, with_length(span)) for span in spans)
    return encode_field(1, 2, with_length(encode_field(2, 2, with_length(scope))))


def without(field: str, instead: bytes = b"") -> bytes:
    span = make_span(7)
    span.ClearField(field)  # type: ignore[arg-type]
    return span.SerializeToString() + instead


def assert_read_as_slowly(body: bytes) -> None:
    """Assert that a body is refused where the official types refuse it, and otherwise counts as they have it."""
    try:
        expected = Reference(ExportTraceServiceRequest.FromString(body))
    except DecodeError:
        with pytest.raises(Malformed):
            sort_spans(body, is_json=False)
        return
    desk = Desk()
    assert desk.intake.take(sort_spans(body, is_json=False), SENDER).spans == expected.refused
    assert desk.figures() == figures_of(expected.windows)
    assert all(map(desk.intake.traces.find, expected.kept))


TAILS = {
    "another trace id": b"\x0a\x10" + b"t" * 16,
    "another span id": b"\x12\x08" + b"s" * 8,
    "another kind": b"\x30\x01",
    "another end": b"\x41" + int((NOW - 30) * 1e9).to_bytes(8, "little"),
    "a kind in a long number": b"\x30\x82\x00",
    "a packed kind": b"\x32\x01\x01",
    "a packed start": b"\x3a\x08" + bytes(8),
    "two packed ends": b"\x42\x10" + bytes(16),
    "no trace id after all": b"\x0a\x00",
    "zeros": b"\x0a\x00\x12\x00\x30\x00\x39" + bytes(8) + b"\x41" + bytes(8) + b"\x4a\x00",
    "an empty attribute": b"\x4a\x00",
    "another replica": Span(attributes=[KeyValue(key=names.REPLICA, value=make_value("b"))]).SerializeToString(),
    "another size": Span(attributes=[KeyValue(key=names.REQUEST_BYTES, value=make_value(9))]).SerializeToString(),
    "a field that is not known": b"\xa0\x06\x01",
    "a group that is not known": b"\xa3\x06\xa4\x06",
    "a field that is cut off": b"\x0a\x05ab",
    "a number that is cut off": b"\x41\x00",
    "a field of no wire type": b"\x0f",
}
ODD_SPANS = {
    **{name: make_span(7).SerializeToString() + tail for name, tail in TAILS.items()},
    **{f"no {name}": without(name) for name in ("trace_id", "span_id", "kind", "start_time_unix_nano", "attributes")},
    "only a packed kind": without("kind", b"\x32\x01\x02"),
    "only a packed start": without("start_time_unix_nano", b"\x3a\x08" + int(NOW * 1e9).to_bytes(8, "little")),
}


@pytest.mark.parametrize("odd", ODD_SPANS.values(), ids=list(ODD_SPANS))
@pytest.mark.parametrize("place", [0, 5, 20])
def test_a_span_in_an_unusual_form_among_others_means_what_it_means_by_itself(odd: bytes, place: int) -> None:
    spans = [make_span(n + 100, took_s=n / 8, serai__replica="a").SerializeToString() for n in range(20)]
    assert_read_as_slowly(make_body([*spans[:place], odd, *spans[place:]]))


@pytest.mark.parametrize("name", [names.REQUEST_BYTES, names.CLOCK_QUEUE, names.REPLICA])
@pytest.mark.parametrize(
    "values",
    [
        (b"\x18\x05\x18\x06",),
        (b"\x18\x05\x18\x06", b""),  # as many numbers as spans
        (b"\x18\x05\x18\x06\x18\x07", b"\x18"),
        (b"\x1a\x01\x05",),
        (b"\x18\x85\x00",),
        (b"\x18\x05\x0a\x01a",),
        (b"\x0a\x01a\x18\x05",),
        (b"\x21" + bytes(8) + b"\x10\x01",),
        (b"\x21" + bytes(8) + b"\x08", b"\x21" + bytes(7)),  # as long as two doubles
        (b"\x21" + bytes(9), b"\x21" + bytes(7)),
        (b"\xa0\x06\x01\x18\x05",),
        (b"\x18\x05\x21" + bytes(8),),
        (b"",),
    ],
)
@pytest.mark.parametrize("another_key", ["", "url.path", names.CLOCK_FIRST_BYTE])
def test_a_value_in_an_unusual_form_among_others_means_what_it_means_by_itself(
    name: str, values: tuple[bytes, ...], another_key: str
) -> None:
    usual = {names.REQUEST_BYTES: 300, names.CLOCK_QUEUE: 0.5, names.REPLICA: "a"}
    pairs = [KeyValue(key=name, value=make_value(usual[name])).SerializeToString()] * 12
    for place, value in enumerate(values * 2):
        pair = encode_field(1, 2, bytes([len(name)]) + name.encode()) + encode_field(2, 2, bytes([len(value)]) + value)
        pairs[5 * place % 12] = pair + KeyValue(key=another_key).SerializeToString()
    spans = [make_span(number + 1).SerializeToString() for number in range(12)]
    bodies = [encode_field(9, 2, bytes([len(pair)]) + pair) for pair in pairs]
    assert_read_as_slowly(make_body(list(map(bytes.__add__, spans, bodies))))


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
@pytest.mark.parametrize("name", [names.REQUEST_BYTES, names.CLOCK_QUEUE, names.VERSION])
def test_an_attribute_that_is_cut_off_refuses_the_request_though_another_is_as_much_longer(name: str, cut: int) -> None:
    value = {names.REQUEST_BYTES: 300, names.CLOCK_QUEUE: 0.5, names.VERSION: 1}[name]
    pairs = [KeyValue(key=name, value=make_value(value)).SerializeToString()] * 12
    pairs[3] += b"\x1a" + bytes([cut]) + bytes(cut)  # a field that is not known
    pairs[7] = pairs[7][: -cut - 2]
    spans = [make_span(number + 1).SerializeToString() for number in range(12)]
    bodies = [encode_field(9, 2, bytes([len(pair)]) + pair) for pair in pairs]
    assert_read_as_slowly(make_body(list(map(bytes.__add__, spans, bodies))))


@pytest.mark.parametrize("is_first", [True, False])
def test_attributes_at_the_same_place_may_have_different_keys(is_first: bool) -> None:
    more = {"serai__replica": "b"}, {"url__path": "/"}, {"serai__clock__queue": 0.5}
    spans = [make_span(number + 1, **more[number % 3]) for number in range(30)]  # type: ignore[arg-type]
    desk = Desk()
    desk.take(make_request(*(spans[1:] if is_first else spans)))
    assert desk.counts() == {("digits", 1, "b", "2xx"): 10 - is_first, ("digits", 1, "", "2xx"): 20}
    assert sum(s.count for window in desk.stored for key, s in window.series.items() if key.clock is Clock.QUEUE) == 10


@pytest.mark.parametrize("unusual", [{7}, {0}, set(range(20))])
def test_an_attribute_in_an_unusual_form_counts_among_spans_that_are_alike(unusual: set[int]) -> None:
    """Its value before its key, which no SDK writes and every reader has to understand."""
    value, key = make_value("z").SerializeToString(), names.REPLICA.encode()
    pair = encode_field(2, 2, with_length(value)) + encode_field(1, 2, with_length(key))
    spans = [
        make_span(number + 1).SerializeToString()
        + (encode_field(9, 2, with_length(pair)) if number in unusual else make_replica("a"))
        for number in range(20)
    ]
    desk = Desk()
    assert desk.intake.take(sort_spans(make_body(spans), is_json=False), SENDER) == Refused(0, "")
    assert desk.counts()["digits", 1, "z", "2xx"] == len(unusual)
    assert desk.counts()["digits", 1, "a", "2xx"] == 20 - len(unusual)


def make_replica(name: str) -> bytes:
    """Return the attribute of a replica as a field of a span."""
    return Span(attributes=[KeyValue(key=names.REPLICA, value=make_value(name))]).SerializeToString()
