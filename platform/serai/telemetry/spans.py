"""A finished request as an OpenTelemetry span (semantic conventions for HTTP server spans).

Building one from a request costs a tenth of starting and ending it through the SDK, and only sampled requests pay. Not
imported by what has no tracing to do: the SDK is large.
"""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET = Status(StatusCode.UNSET)
_ERROR = Status(StatusCode.ERROR)


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """A request as a gateway saw it. `started_at` in epoch seconds; a clock that never ran is None.

    `path` is without its query, which may hold secrets. `status` 0: no answer was sent. `error`: the code of the
    reason why not, or why it broke off. `parent_id` 0: the trace begins here.
    """

    deployment: str
    version: int
    replica: str
    method: str
    path: str
    status: int
    started_at: float
    total_s: float
    trace_id: int
    span_id: int
    parent_id: int = 0
    first_byte_s: float | None = None
    queue_s: float | None = None
    error: str = ""
    scheme: str = "http"
    host: str = ""
    protocol: str = "1.1"
    client: str = ""
    user_agent: str = ""
    key_id: str = ""


def make_span(request: FinishedRequest, resource: Resource) -> ReadableSpan:
    """Return the ended server span of a request, ready for a span processor's `on_end` or an exporter.

    Beyond the conventions it has `serai.deployment`, `serai.version`, `serai.replica`, `serai.key_id` and, in seconds,
    `serai.clock.total`, `serai.clock.first_byte`, `serai.clock.queue`.
    """
    start_ns = _nanoseconds(request.started_at)
    failed = request.status >= 500 or bool(request.error)
    return ReadableSpan(
        name=f"{_method(request)} {request.deployment}",
        context=SpanContext(request.trace_id, request.span_id, is_remote=False, trace_flags=_SAMPLED),
        parent=_parent(request),
        resource=resource,
        attributes={name: value for name, value in _attributes(request).items() if value not in {None, ""}},
        kind=SpanKind.SERVER,
        status=_ERROR if failed else _UNSET,
        start_time=start_ns,
        end_time=start_ns + _nanoseconds(request.total_s),
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1000  # clocks are no finer, and a float of this year's time is not either


def _method(request: FinishedRequest) -> str:
    # Names must be few, and a caller may invent methods.
    return request.method if request.method in _METHODS else "HTTP"


def _parent(request: FinishedRequest) -> SpanContext | None:
    if not request.parent_id:
        return None
    return SpanContext(request.trace_id, request.parent_id, is_remote=True, trace_flags=_SAMPLED)


def _attributes(request: FinishedRequest) -> dict[str, str | int | float | None]:
    known = request.method in _METHODS
    return {
        "http.request.method": request.method if known else "_OTHER",
        "http.request.method_original": None if known else request.method,
        "http.response.status_code": request.status or None,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "server.address": request.host,
        "client.address": request.client,
        "network.protocol.version": request.protocol,
        "user_agent.original": request.user_agent,
        "error.type": request.error or (str(request.status) if request.status >= 500 else None),
        "serai.deployment": request.deployment,
        "serai.version": request.version,
        "serai.replica": request.replica,
        "serai.key_id": request.key_id,
        "serai.clock.total": request.total_s,
        "serai.clock.first_byte": request.first_byte_s,
        "serai.clock.queue": request.queue_s,
    }
