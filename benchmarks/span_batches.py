"""Batches of spans as a gateway sends them: 17 attributes a span, of which eight differ from span to span."""

from __future__ import annotations

import json
import random
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from serai.domain import attributes as names

SPANS = 1000
MARK = b"the batch's mark"
"""A trace id in each batch that senders replace: batches that come again would not be counted."""


def make_batch(seed: int) -> ExportTraceServiceRequest:
    chance = random.Random(seed)
    spans = [make_span(chance) for _ in range(SPANS)]
    spans[0].trace_id = MARK
    resource = Resource(attributes=[pair("service.name", "edge"), pair(names.GATEWAY, "edge-1")])
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])]
    )


def make_span(chance: random.Random) -> Span:
    total_s = chance.lognormvariate(-3, 1)
    ended_ns = time.time_ns() - chance.randrange(10**9)
    version = chance.choice((1, 1, 1, 2))
    values: dict[str, str | int | float] = {
        names.METHOD: chance.choice(("POST", "POST", "GET")),
        names.STATUS_CODE: chance.choices((200, 404, 500), (97, 2, 1))[0],
        names.PATH: f"/predict/{chance.randrange(10**6)}",
        names.SCHEME: "https",
        "server.address": "models.example.com",
        "client.address": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}",
        names.PROTOCOL_VERSION: "1.1",
        "user_agent.original": chance.choice(("python-requests/2.32.5", "curl/8.14.1")),
        names.DEPLOYMENT: "digits",
        names.VERSION: version,
        names.REPLICA: f"digits-v{version}.{chance.randrange(4)}",
        names.KEY_ID: chance.choice(("k1", "k2", "k3")),
        names.CLOCK_TOTAL: total_s,
        names.CLOCK_FIRST_BYTE: total_s / 2,
        names.CLOCK_QUEUE: total_s / 10,
        names.REQUEST_BYTES: chance.randrange(200, 4000),
        names.RESPONSE_BYTES: chance.randrange(200, 40_000),
    }
    return Span(
        trace_id=chance.randbytes(16),
        span_id=chance.randbytes(8),
        parent_span_id=chance.randbytes(8),
        name="POST digits",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=ended_ns - round(total_s * 1e9),
        end_time_unix_nano=ended_ns,
        attributes=[pair(name, value) for name, value in values.items()],
        flags=0x101,
    )


def pair(name: str, value: str | int | float) -> KeyValue:
    kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
    return KeyValue(key=name, value=AnyValue(**{kind: value}))  # type: ignore[arg-type]


def encode_json(batch: ExportTraceServiceRequest) -> bytes:
    """Return OTLP's JSON of a batch: protobuf's, but for ids in hexadecimal."""
    document = json_format.MessageToDict(batch, use_integers_for_enums=True)
    spans = batch.resource_spans[0].scope_spans[0].spans
    for dumped, span in zip(document["resourceSpans"][0]["scopeSpans"][0]["spans"], spans, strict=True):
        ids = {"traceId": span.trace_id, "spanId": span.span_id, "parentSpanId": span.parent_span_id}
        dumped |= {name: id.hex() for name, id in ids.items()}
    return json.dumps(document).encode()
