"""A finished request as an OpenTelemetry span (semantic conventions for HTTP server spans).

Building one from a record costs a tenth of starting and ending it through the SDK, and only sampled requests pay. Not
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
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
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


def make_span(record: RequestRecord, resource: Resource) -> ReadableSpan:
    """Return the ended server span of a request, ready for a span processor's `on_end` or an exporter.

    Beyond the conventions it has `serai.deployment`, `serai.version`, `serai.replica`, `serai.key_id` and, in seconds,
    `serai.clock.total`, `serai.clock.first_byte`, `serai.clock.queue`.
    """
    start_ns = int(record.started_at * _NS)
    failed = record.status >= 500 or bool(record.error)
    return ReadableSpan(
        name=f"{_method(record)} {record.deployment}",
        context=SpanContext(record.trace_id, record.span_id, is_remote=False, trace_flags=_SAMPLED),
        parent=_parent(record),
        resource=resource,
        attributes={name: value for name, value in _attributes(record).items() if value not in {None, ""}},
        kind=SpanKind.SERVER,
        status=_ERROR if failed else _UNSET,
        start_time=start_ns,
        end_time=start_ns + int(record.total_s * _NS),
    )


def _method(record: RequestRecord) -> str:
    # Names must be few, and a caller may invent methods.
    return record.method if record.method in _METHODS else "HTTP"


def _parent(record: RequestRecord) -> SpanContext | None:
    if not record.parent_id:
        return None
    return SpanContext(record.trace_id, record.parent_id, is_remote=True, trace_flags=_SAMPLED)


def _attributes(record: RequestRecord) -> dict[str, str | int | float | None]:
    known = record.method in _METHODS
    return {
        "http.request.method": record.method if known else "_OTHER",
        "http.request.method_original": None if known else record.method,
        "http.response.status_code": record.status or None,
        "url.path": record.path,
        "url.scheme": record.scheme,
        "server.address": record.host,
        "client.address": record.client,
        "network.protocol.version": record.protocol,
        "user_agent.original": record.user_agent,
        "error.type": record.error or (str(record.status) if record.status >= 500 else None),
        "serai.deployment": record.deployment,
        "serai.version": record.version,
        "serai.replica": record.replica,
        "serai.key_id": record.key_id,
        "serai.clock.total": record.total_s,
        "serai.clock.first_byte": record.first_byte_s,
        "serai.clock.queue": record.queue_s,
    }
