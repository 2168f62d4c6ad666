"""What gateways tell: figures of the requests they carried."""

from __future__ import annotations

from serai.domain.finished import FinishedRequest
from serai.domain.window import load_window
from serai.plugin.identity import Permission
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.wire import SpansBody, TakenAnswer, TakenSpansAnswer, TelemetryBody

resource = Resource("telemetry", "For gateways: figures of requests.")
_LIMIT_BYTES = 16 * 1024 * 1024


@resource.on(
    "POST", "/telemetry", Permission.GATEWAY, {200: TakenAnswer}, takes=TelemetryBody, body_limit_bytes=_LIMIT_BYTES
)
def take_telemetry(call: Call, body: TelemetryBody) -> Answer:
    """Take closed windows, each once however often it is sent. The body may be gzipped (Content-Encoding)."""
    # Shallow: a dump of models would copy every centroid, while all others wait for the interpreter.
    windows = [load_window(vars(window) | {"series": map(vars, window.series)}) for window in body.windows]
    return Answer({"taken": call.core.take_windows(windows)})


@resource.on(
    "POST",
    "/telemetry/spans",
    Permission.GATEWAY,
    {200: TakenSpansAnswer},
    takes=SpansBody,
    body_limit_bytes=_LIMIT_BYTES,
)
def take_spans(call: Call, body: SpansBody) -> Answer:
    """Take requests of sampled traces, for sinks that make spans of them and for those who look at the trace.

    The body may be gzipped.
    """
    finished = [FinishedRequest(**span.model_dump()) for span in body.spans]
    call.spans.traces.add_requests(finished)
    return Answer({"taken": call.core.take_spans(body.gateway, finished, body.lost)})
