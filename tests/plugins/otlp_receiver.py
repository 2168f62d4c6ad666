"""A receiver of OTLP/HTTP as others build them, on the official messages: decodes all, and can be busy or hang."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_KINDS: dict[str, type[Message]] = {
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
}
Attributes = dict[str, str | int | float | bool]


@dataclass
class Refusal:
    """What is answered instead of taking a message."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Point:
    """A point of a metric with what surrounds it."""

    metric: Any
    point: Any
    attributes: Attributes
    resource: Attributes


class Receiver:
    """`refusal` is answered while it is set, `partial` to what is taken; `hanging` paths wait until `released`.

    A message of more than `limit_bytes` is too large; once `most_messages` have come, it is busy.
    """

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.asked = 0
        self.refusal: Refusal | None = None
        self.partial: Message | None = None
        self.limit_bytes: int | None = None
        self.most_messages: int | None = None
        self.released = threading.Event()
        self.released.set()
        self.hanging = set(_KINDS)
        self._server: http.server.ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Receiver:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def stop(self) -> None:
        """Refuse connections; `start` listens at the same port again."""
        self.released.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def _take(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked += 1
        handler.close_connection = True  # a connection that stays open would be a thread that does
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.path in self.hanging:
            self.released.wait()
        if self.refusal is not None:
            return _answer(handler, self.refusal.status, self.refusal.headers, self.refusal.body)
        assert handler.headers["Content-Type"] == "application/x-protobuf"
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.limit_bytes is not None and len(body) > self.limit_bytes:
            return _answer(handler, 413, {}, f"at most {self.limit_bytes} bytes".encode())
        if self.most_messages is not None and len(self.messages) >= self.most_messages:
            return _answer(handler, 503, {}, b"")
        message = _KINDS[handler.path]()
        message.ParseFromString(body)
        self.messages.append(message)
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        answer = self.partial.SerializeToString() if self.partial is not None else b""
        return _answer(handler, 200, {"Content-Type": "application/x-protobuf"}, answer)

    # what came

    def points(self, name: str) -> list[Point]:
        """Return all points of a metric, as they came."""
        return [
            Point(metric, point, read(point.attributes), read(group.resource.attributes))
            for message in list(self.messages)
            if isinstance(message, ExportMetricsServiceRequest)
            for group in message.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in getattr(metric, str(metric.WhichOneof("data"))).data_points
        ]

    def lines(self) -> list[tuple[Attributes, Any]]:
        """Return all log records, each with its resource's attributes."""
        return [
            (read(group.resource.attributes), record)
            for message in list(self.messages)
            if isinstance(message, ExportLogsServiceRequest)
            for group in message.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]

    def spans(self) -> list[Span]:
        return [
            span
            for message in list(self.messages)
            if isinstance(message, ExportTraceServiceRequest)
            for group in message.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]


def read(attributes: Any) -> Attributes:
    """Return attributes as a dictionary; none may come twice."""
    found = {pair.key: _unwrap(pair) for pair in attributes}
    assert len(found) == len(attributes)
    return found


def _unwrap(pair: KeyValue) -> str | int | float | bool:
    value: str | int | float | bool = getattr(pair.value, str(pair.value.WhichOneof("value")))
    return value


def _answer(handler: http.server.BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver().start()
    try:
        yield receiver
    finally:
        receiver.stop()


PARTIAL_METRICS, PARTIAL_LOGS, PARTIAL_SPANS = (
    ExportMetricsServiceResponse,
    ExportLogsServiceResponse,
    ExportTraceServiceResponse,
)
