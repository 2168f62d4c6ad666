"""The spans of a trace for readers, whoever sent them: models by OTLP, gateways as finished requests."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from serai.domain import attributes as names
from serai.domain.finished import FinishedRequest

from .trace_store import KeptSpan

Attribute = str | int | float | bool
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """One span. `parent_id` "" begins the trace; `began_at` in epoch seconds; `error` "" where nothing went wrong."""

    span_id: str
    parent_id: str
    name: str
    kind: str
    began_at: float
    took_s: float
    error: str
    deployment: str
    version: int
    replica: str
    attributes: dict[str, Attribute]


def view_trace(kept: Iterable[KeptSpan | FinishedRequest]) -> list[TraceSpan]:
    """Return spans in the order in which they began, each with what belongs to it right after it."""
    spans = [_view_request(each) if isinstance(each, FinishedRequest) else _view_kept(each) for each in kept]
    spans.sort(key=lambda span: span.began_at)
    known = {span.span_id for span in spans}
    below: dict[str, list[TraceSpan]] = {}
    for span in spans:
        below.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    return _in_order(below)


def _in_order(below: dict[str, list[TraceSpan]]) -> list[TraceSpan]:
    """Return a forest from the top; spans that are each other's parents come last."""
    ordered: list[TraceSpan] = []
    waiting = list(reversed(below.pop("", [])))
    while waiting or below:
        if not waiting:
            waiting = list(reversed(below.pop(next(iter(below)))))
        span = waiting.pop()
        ordered.append(span)
        waiting += reversed(below.pop(span.span_id, []))
    return ordered


def _view_request(request: FinishedRequest) -> TraceSpan:
    said: dict[str, Attribute | None] = {
        names.METHOD: request.method,
        names.PATH: request.path,
        names.STATUS_CODE: request.status,
        names.CLOCK_FIRST_BYTE: request.first_byte_s,
        names.CLOCK_QUEUE: request.queue_s,
        names.REQUEST_BYTES: request.bytes_in,
        names.RESPONSE_BYTES: request.bytes_out,
        names.KEY_ID: request.key_id or None,
    }
    return TraceSpan(
        request.span_id,
        request.parent_id,
        f"{request.method} {request.deployment}",
        "server",
        request.started_at,
        request.total_s,
        request.error or (str(request.status) if request.status >= 500 else ""),
        request.deployment,
        request.version,
        request.replica,
        {name: value for name, value in said.items() if value is not None},
    )


def _view_kept(kept: KeptSpan) -> TraceSpan:
    # Where spans were kept protobuf is there already; where none were it need not be.
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    from .span_wire import value_of

    span, facts = Span.FromString(kept.encoded), kept.facts
    attributes = {pair.key: _plain(value_of(pair.value)) for pair in span.attributes}
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return TraceSpan(
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        KINDS[span.kind] if span.kind < len(KINDS) else KINDS[0],
        span.start_time_unix_nano / 1e9,
        max(0, span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        (span.status.message or "error") if failed else "",
        facts.deployment,
        facts.version,
        facts.replica,
        {name: value for name, value in attributes.items() if value is not None},
    )


def _plain(value: object) -> Attribute | None:
    """Return what JSON has as well: numbers without end as text, None for lists and maps."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float) else None
