"""A request of the gateway as a span, by the semantic conventions for HTTP servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from serai.domain import attributes as names
from serai.domain.finished import METHODS, FinishedRequest

from .metrics import describe_replica
from .wire import SCOPE, Value, clean_text, make_attributes, make_resource, make_service, to_ns

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_FINE, _FAILED = Status(), Status(StatusCode.ERROR)
# The conventions count these without a point.
_PROTOCOLS = {"2.0": "2", "3.0": "3"}


def pack_spans(requests: Sequence[FinishedRequest], more: Mapping[str, str]) -> ExportTraceServiceRequest:
    """Return the message with a span of each request. `more` are the operator's attributes."""
    resource = make_resource(make_service("serai-gateway"), more)
    message = encode_spans([make_span(request, resource) for request in requests])
    # The encoder leaves the flags of the trace context out; the protocol has them in the lowest byte.
    for group in message.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                span.flags |= _SAMPLED
    return message


def make_span(request: FinishedRequest, resource: Resource) -> ReadableSpan:
    """Return the ended server span of a request."""
    start_ns = to_ns(request.started_at)
    failed = request.status >= 500 or (bool(request.error) and request.status < 400)
    return ReadableSpan(
        clean_text(f"{request.method if request.method in METHODS else 'HTTP'} {request.deployment}"),
        context=_make_context(request.trace_id, request.span_id),
        parent=_make_context(request.trace_id, request.parent_id, True) if request.parent_id else None,
        resource=resource,
        attributes=make_attributes(_describe(request)),
        kind=SpanKind.SERVER,
        status=_FAILED if failed else _FINE,
        start_time=start_ns,
        end_time=start_ns + to_ns(request.total_s),
        instrumentation_scope=SCOPE,
    )


def _make_context(trace_id: str, span_id: str, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, _SAMPLED)


def _describe(request: FinishedRequest) -> Mapping[str, Value]:
    is_known = request.method in METHODS
    return {
        names.METHOD: request.method if is_known else "_OTHER",
        names.METHOD_ORIGINAL: None if is_known else request.method,
        names.STATUS_CODE: request.status or None,
        names.PATH: request.path,
        names.SCHEME: request.scheme,
        names.PROTOCOL_VERSION: _PROTOCOLS.get(request.protocol, request.protocol),
        names.ERROR_TYPE: request.error or (str(request.status) if request.status >= 500 else None),
        names.REQUEST_BYTES: request.bytes_in,
        names.RESPONSE_BYTES: request.bytes_out,
        **describe_replica(request.deployment, request.version, request.replica),
        names.KEY_ID: request.key_id,
        names.CLOCK_TOTAL: request.total_s,
        names.CLOCK_FIRST_BYTE: request.first_byte_s,
        names.CLOCK_QUEUE: request.queue_s,
    }
