"""A finished request as a span, through the SDK's own exporter."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from serai.telemetry.spans import FinishedRequest, make_span

RESOURCE = Resource({"service.name": "serai-gateway"})
REQUEST = FinishedRequest(
    deployment="digits",
    version=3,
    replica="digits-v3-1",
    method="POST",
    path="/predict",
    status=200,
    started_at=1_767_225_600.25,
    total_s=0.5,
    trace_id=0xABC,
    span_id=0xDEF,
    parent_id=0x123,
    first_byte_s=0.25,
    queue_s=0.0,
    host="models.example",
)


def export(request: FinishedRequest) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    processor.on_end(make_span(request, RESOURCE))
    processor.shutdown()
    [span] = exporter.get_finished_spans()
    return span


def test_a_request_is_a_server_span_of_its_trace() -> None:
    span = export(REQUEST)
    assert (span.name, span.kind) == ("POST digits", SpanKind.SERVER)
    assert (span.context.trace_id, span.context.span_id) == (0xABC, 0xDEF)
    assert span.parent is not None
    assert (span.parent.span_id, span.parent.is_remote) == (0x123, True)
    assert span.start_time == 1_767_225_600_250_000_000
    assert span.end_time == 1_767_225_600_750_000_000
    assert span.status.status_code is StatusCode.UNSET
    assert json.loads(span.to_json())["resource"]["attributes"]["service.name"] == "serai-gateway"


def test_attributes_follow_the_conventions_and_leave_out_what_is_unknown() -> None:
    assert dict(export(REQUEST).attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/predict",
        "url.scheme": "http",
        "server.address": "models.example",
        "network.protocol.version": "1.1",
        "serai.deployment": "digits",
        "serai.version": 3,
        "serai.replica": "digits-v3-1",
        "serai.clock.total": 0.5,
        "serai.clock.first_byte": 0.25,
        "serai.clock.queue": 0.0,
    }


@pytest.mark.parametrize(
    ("changes", "code", "error_type"),
    [
        ({"status": 404}, StatusCode.UNSET, None),
        ({"status": 502}, StatusCode.ERROR, "502"),
        ({"status": 504, "error": "timeout-first-byte"}, StatusCode.ERROR, "timeout-first-byte"),
        ({"status": 200, "error": "broken-off"}, StatusCode.ERROR, "broken-off"),
    ],
)
def test_only_faults_of_the_server_are_errors(changes: dict[str, object], code: StatusCode, error_type: str) -> None:
    span = export(replace(REQUEST, **changes))
    assert span.status.status_code is code
    assert (span.attributes or {}).get("error.type") == error_type


def test_an_invented_method_makes_no_new_name() -> None:
    span = export(replace(REQUEST, method="BREW"))
    assert span.name == "HTTP digits"
    attributes = span.attributes or {}
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("_OTHER", "BREW")


def test_a_trace_may_begin_here() -> None:
    assert export(replace(REQUEST, parent_id=0)).parent is None
