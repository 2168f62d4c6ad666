"""A request of the gateway as a span, by the semantic conventions for HTTP servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, SpanFlags, Status

from serai.domain import attributes as names
from serai.domain.finished import METHODS, FinishedRequest

from .metrics import describe_replica
from .wire import SCOPE, Value, make_attributes, make_resource, make_service, to_ns

_SAMPLED = 1
_OWN = _SAMPLED | SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_JOINED = _OWN | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
# The conventions count these without a point.
_PROTOCOLS = {"2.0": "2", "3.0": "3"}


def pack_spans(requests: Sequence[FinishedRequest], more: Mapping[str, str]) -> ExportTraceServiceRequest:
    """Return the message with a span of each request. `more` are the operator's attributes."""
    scope = ScopeSpans(scope=SCOPE, spans=[make_span(request) for request in requests])
    resource = make_resource(make_service("serai-gateway"), more)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])


def make_span(request: FinishedRequest) -> Span:
    """Return the ended server span of a request."""
    start_ns = to_ns(request.started_at)
    failed = request.status >= 500 or (bool(request.error) and request.status < 400)
    return Span(
        trace_id=bytes.fromhex(request.trace_id),
        span_id=bytes.fromhex(request.span_id),
        parent_span_id=bytes.fromhex(request.parent_id),
        flags=_JOINED if request.parent_id else _OWN,
        name=f"{request.method if request.method in METHODS else 'HTTP'} {request.deployment}",
        kind=Span.SpanKind.SPAN_KIND_SERVER,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + to_ns(request.total_s),
        attributes=make_attributes(_describe(request)),
        status=Status(code=Status.StatusCode.STATUS_CODE_ERROR) if failed else Status(),
    )


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
