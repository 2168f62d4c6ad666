"""Spans by OTLP, and the spans of a trace."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from serai.domain.errors import Invalid
from serai.domain.spec_text import JsonObject
from serai.domain.trace_links import make_link
from serai.plugin.identity import Permission
from serai.telemetry.span_groups import Malformed, Sorter, TooManySpans
from serai.telemetry.span_intake import Sender
from serai.telemetry.trace_view import TraceSpan, view_trace
from serai.web.endpoint import API, Answer, Call, Media, Resource
from serai.web.otlp import Encoding, find_encoding, read_bytes, write_answer
from serai.web.shapes.traces import TraceAnswer, TracePath

resource = Resource("spans", "Spans by OTLP/HTTP, of other gateways and of models.", prefix="")
LIMIT_BYTES = 16 * 1024 * 1024


@resource.on(
    "POST", "/v1/traces", Permission.SPANS, {200: None}, refuses=(400, 413, 415, 503), body_limit_bytes=LIMIT_BYTES,
    media=Media.OTLP,
)  # fmt: skip
def take_otlp_spans(call: Call) -> Response:
    """Take spans in protobuf or in JSON, gzipped or not: OTLP/HTTP's path for traces.

    Requests of gateways that are not Serai's are counted like all others; spans of models join the trace of their
    request. What is not taken is told in the answer's partial success.
    """
    encoding = find_encoding(request)
    with call.spans.place() as take_room:
        body = read_bytes(request, LIMIT_BYTES)
        take_room(len(body))
        refused = call.spans.take(_sort(body, encoding), _sender_of(call))
    return write_answer(encoding, refused.spans, refused.why)


@resource.on("GET", f"{API}/traces/<trace_id>", Permission.READ, {200: TraceAnswer})
def read_trace(call: Call, path: TracePath) -> Answer:
    """Tell the spans of a trace that were kept, and where the tracer shows all of it.

    Kept are spans of models and requests of sampled traces, for an hour and while there is room; a restart of the
    server forgets them.
    """
    spans = view_trace(call.spans.traces.find(bytes.fromhex(path.trace_id)))
    link = make_link(call.core.trace_url, path.trace_id)
    return Answer({"trace_id": path.trace_id, "url": link, "spans": [_dump(span) for span in spans]})


def _dump(span: TraceSpan) -> JsonObject:
    values = asdict(span)
    began_at, took_s = values.pop("began_at"), values.pop("took_s")
    return values | {"began_at": datetime.fromtimestamp(began_at, UTC).isoformat(), "took": took_s}


def _sort(body: bytes, encoding: Encoding) -> Sorter:
    # It brings protobuf along, which a server that takes no spans can do without.
    from serai.telemetry.span_decoding import sort_spans

    try:
        return sort_spans(body, is_json=encoding is Encoding.JSON)
    except Malformed as error:
        raise Invalid(str(error), code="malformed") from error
    except TooManySpans as error:
        raise RequestEntityTooLarge from error


def _sender_of(call: Call) -> Sender:
    plugins, caller = call.core.plugins, call.caller
    return Sender(caller.login, lambda deployment: plugins.allows(caller, Permission.SPANS, deployment))
