"""Spans as OTLP has them, by the official message types: single ones, drawn ones, and their JSON."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from serai.domain import attributes as names

NOW = 1_767_225_600.0
SERVER = Span.SPAN_KIND_SERVER
Values = Mapping[str, object]


def make_value(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(make_value, value)))
    return AnyValue()


def make_attributes(values: Values) -> list[KeyValue]:
    return [KeyValue(key=key, value=make_value(value)) for key, value in values.items()]


def make_span(number: int = 1, ended_at: float = NOW, took_s: float = 0.25, kind: int = SERVER, **more: object) -> Span:
    """Return a span of a gateway called edge; underscores of names in `more` stand for dots, None takes away."""
    values: dict[str, object] = {
        names.DEPLOYMENT: "digits",
        names.VERSION: 1,
        names.GATEWAY: "edge",
        names.STATUS_CODE: 200,
    }
    values |= {key.replace("__", "."): value for key, value in more.items()}
    ended_ns = round(ended_at * 1e6) * 1000
    return Span(
        trace_id=(7 << 64 | number).to_bytes(16),
        span_id=number.to_bytes(8),
        name=f"POST {number}",
        kind=kind,  # type: ignore[arg-type]
        start_time_unix_nano=ended_ns - round(took_s * 1e6) * 1000,
        end_time_unix_nano=ended_ns,
        attributes=make_attributes({key: value for key, value in values.items() if value is not None}),
    )


def make_request(*spans: Span, **resource: object) -> ExportTraceServiceRequest:
    """Return a request whose resource has these attributes, `__` standing for dots."""
    values = {key.replace("__", "."): value for key, value in resource.items()}
    of_resource = Resource(attributes=make_attributes(values))
    scope = ScopeSpans(spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=of_resource, scope_spans=[scope])])


def to_json(request: ExportTraceServiceRequest) -> bytes:
    """Return OTLP's JSON: ids in hexadecimal, enums as numbers."""
    return json.dumps(_with_hex_ids(json_format.MessageToDict(request, use_integers_for_enums=True))).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    ids = {"traceId", "spanId", "parentSpanId"}
    return {key: base64.b64decode(item).hex() if key in ids else _with_hex_ids(item) for key, item in value.items()}


_SECONDS = st.one_of(
    st.floats(0, 100), st.sampled_from([0.0, -1.0, 1e300, float("inf"), float("nan")]), st.integers(0, 9)
)
_SIZES = st.one_of(st.integers(0, 10**9), st.sampled_from([-5, 2**62]), st.floats(0, 100))
_ODD = st.sampled_from([True, "text", 1.5, b"bytes", [1, "a"], None, "", "7", -3, 2**40])
_RELEVANT = st.fixed_dictionaries(
    {},
    optional={
        names.DEPLOYMENT: st.one_of(st.sampled_from(["digits", "whisper", "unknown", "closed"]), _ODD),
        names.VERSION: st.one_of(st.sampled_from([0, 1, 2, 9, "1", "2"]), _ODD),
        names.REPLICA: st.one_of(st.sampled_from(["a", "b"]), _ODD),
        names.GATEWAY: st.one_of(st.just("edge"), st.sampled_from(["", "other", 1])),
        names.STATUS_CODE: st.one_of(st.integers(100, 599), _ODD),
        "http.status_code": st.integers(100, 599),
        names.CLOCK_FIRST_BYTE: st.one_of(_SECONDS, _ODD),
        names.CLOCK_QUEUE: _SECONDS,
        names.CLOCK_TOTAL: _SECONDS,
        names.REQUEST_BYTES: st.one_of(_SIZES, _ODD),
        names.RESPONSE_BYTES: _SIZES,
        "url.path": st.text(max_size=300),
        "n": st.integers(-5, 2**40),
    },
)


_POOLS = st.lists(_RELEVANT, min_size=1, max_size=4)
_SEEDS = st.integers(0, 2**64)
_TEXTS = st.lists(st.text(max_size=5), min_size=1, max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """Draw a request of any spans: values are drawn, as failures come from these, and put together at random.

    Drawing each span by itself takes ten times as long as all that is tested.
    """
    mixer = _Mixer(random.Random(draw(_SEEDS)), draw(_POOLS), draw(_TEXTS))
    return ExportTraceServiceRequest(resource_spans=[mixer.make_resource() for _ in range(mixer.chance.randrange(4))])


class _Mixer:
    """Puts drawn values together."""

    def __init__(self, chance: random.Random, pool: Sequence[Values], texts: Sequence[str]) -> None:
        self.chance = chance
        self._pool = pool
        self._texts = texts

    def make_resource(self) -> ResourceSpans:
        attributes = self._make_attributes() if self.chance.random() < 0.5 else []
        scopes = [
            ScopeSpans(spans=[self.make_span() for _ in range(self.chance.randrange(7))])
            for _ in range(self.chance.randrange(3))
        ]
        return ResourceSpans(resource=Resource(attributes=attributes), scope_spans=scopes)

    def make_span(self) -> Span:
        chance = self.chance
        ended_ns = int((NOW - 100 + 120 * chance.random()) * 1e9)
        if chance.random() < 0.2:
            ended_ns = chance.choice([0, 2**64 - 1, int((NOW - 90_000) * 1e9)])
        return Span(
            trace_id=chance.randbytes(16) if chance.random() < 0.9 else chance.randbytes(chance.randrange(4)),
            span_id=chance.randbytes(8),
            parent_span_id=chance.choice([b"", b"12345678"]),
            name=chance.choice(self._texts),
            kind=chance.choice([SERVER, SERVER, SERVER, Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT]),
            start_time_unix_nano=max(0, ended_ns - chance.randrange(-(10**9), 10**11)) % 2**64,
            end_time_unix_nano=ended_ns,
            attributes=self._make_attributes(),
            links=[Span.Link(trace_id=b"0123456789abcdef", span_id=b"01234567")] if chance.random() < 0.5 else [],
        )

    def _make_attributes(self) -> list[KeyValue]:
        """Return attributes in any order: mostly those of a request, sometimes anything."""
        chance, values = self.chance, dict[str, object]()
        if chance.random() < 0.9:
            values |= {names.DEPLOYMENT: "digits", names.GATEWAY: "edge", names.VERSION: 1, names.STATUS_CODE: 200}
            values |= {names.CLOCK_QUEUE: 10 * chance.random(), names.RESPONSE_BYTES: chance.randrange(10**6)}
        if chance.random() < 0.5:
            drawn = chance.choice(self._pool)
            values |= {name: value for name, value in drawn.items() if chance.random() < 0.8}
        made = make_attributes(values)
        return chance.sample(made, len(made))


@st.composite
def uniform_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """Draw what one sender sends: many spans of few kinds, each with the same attributes in the same order."""
    chance = random.Random(draw(_SEEDS))
    kinds = draw(_POOLS)
    mixer = _Mixer(chance, kinds, ["odd"])
    of_resource = chance.choice([{}, {names.DEPLOYMENT: "digits"}, {names.GATEWAY: "edge", names.VERSION: "1"}])
    many = [_make_uniform(chance, chance.choice(kinds), number) for number in range(1, chance.randrange(6, 60))]
    many += [mixer.make_span() for _ in range(chance.randrange(3))]
    scope = ScopeSpans(spans=chance.sample(many, len(many)))
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=Resource(attributes=make_attributes(of_resource)), scope_spans=[scope])]
    )


def _make_uniform(chance: random.Random, drawn: Values, number: int) -> Span:
    values: dict[str, object] = {names.DEPLOYMENT: "digits", names.GATEWAY: "edge", names.STATUS_CODE: 200, **drawn}
    for name in (names.CLOCK_FIRST_BYTE, names.CLOCK_QUEUE):
        if isinstance(drawn.get(name), float):
            values[name] = chance.choice([0.0, chance.random(), chance.expovariate(1e-3), -chance.random()])
    for name in (names.REQUEST_BYTES, names.RESPONSE_BYTES):
        if type(drawn.get(name)) is int:
            values[name] = chance.randrange(2 ** chance.randrange(1, 52))
    values |= {names.VERSION: chance.choice([1, 2]), names.REPLICA: chance.choice(["a", "b"])}
    ended_ns = int((NOW - chance.random() * 15) * 1e9)
    return Span(
        trace_id=number.to_bytes(16),
        span_id=number.to_bytes(8),
        kind=chance.choice([SERVER] * 9 + [Span.SPAN_KIND_INTERNAL]),
        start_time_unix_nano=ended_ns - chance.randrange(10**10),
        end_time_unix_nano=ended_ns,
        attributes=make_attributes(values),
    )
