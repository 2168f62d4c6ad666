"""Spans through `/v1/traces` into digests: spans a second of one core, beside what decoding them costs by itself.

    python -m benchmarks.span_intake [seconds]

Batches of 1,000 spans as a gateway sends them: 17 attributes, of which three clocks, two sizes, the path and the
caller's address differ from span to span; two versions with four replicas each. All figures are processor time of this
process. `over HTTP` is the whole server with a database, and senders in a process of their own; everything else is the
work of one thread.

What bounds it is what Python has to make of each span: its own bytes (a tenth of the time), seven pieces that a pattern
cuts out of them (a third), six numbers and a place in a group (a third), and their buckets in three digests (a fifth).
Attributes of which nothing is needed cost a skip of their length. `not alike` is what spans cost of which no pattern is
made; `new to it` is a batch whose pattern has to be made first.
"""

from __future__ import annotations

import gzip
import http.client
import json
import multiprocessing
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.report import report
from benchmarks.span_batches import MARK, SPANS, encode_json, make_batch
from serai.app.compose import Composition, compose
from serai.config import Configuration
from serai.domain import attributes as names
from serai.domain.window import Window
from serai.plugin import PluginContext, Scheduler, hookimpl
from serai.plugin.identity import Permission
from serai.plugin.testing.fakes import FakeScheduler
from serai.store.tokens import create_token
from serai.telemetry.span_counter import Pile
from serai.telemetry.span_decoding import sort_spans
from serai.telemetry.span_intake import Judge, Sender, SpanIntake
from serai.telemetry.span_shapes import Shapes
from serai.telemetry.span_wire import read_wire
from serai.web.app import make_app
from serai.web.serve import make_server

SENDERS = 8
_Row = dict[str, object]


class Rate:
    """Measures work on batches, one after the other, for so many seconds of processor time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def measure(self, name: str, encoding: str, work: Callable[[bytes], object], bodies: Sequence[bytes]) -> _Row:
        work(bodies[0])
        began = now = time.process_time()
        count = 0
        while now - began < self.seconds:
            work(bodies[count % len(bodies)])
            count += 1
            now = time.process_time()
        return make_row(name, encoding, count * SPANS, now - began, len(bodies[0]))


def make_row(name: str, encoding: str, spans: int, taken_s: float, body_bytes: int) -> _Row:
    return {
        "work": name,
        "encoding": encoding,
        "spans/s a core": round(spans / taken_s),
        "us a span": 1e6 * taken_s / spans,
        "bytes a span": body_bytes // SPANS,
    }


def read_all(body: bytes) -> int:
    """Decode by the official types and look at each attribute once, as a straightforward receiver does."""
    request = ExportTraceServiceRequest.FromString(body)
    seen = 0
    for of_resource in request.resource_spans:
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                said = {each.key: each.value for each in span.attributes}
                seen += len(said) + bool(span.trace_id and span.span_id and span.kind and span.end_time_unix_nano)
    return seen


class Folding:
    """The intake's work without its windows, which senders that come together share: spans into digests."""

    def __init__(self) -> None:
        self._pile = Pile()
        self._judge = Judge(lambda _: (1, 2), lambda _: True, time.time())

    def take(self, body: bytes, is_json: bool = False) -> None:
        groups = sort_spans(body, is_json).groups()
        assert not any(map(self._judge.find_fault, groups))
        self._pile.add(body[:16], groups)


class NoShapes(Shapes):
    """Knows no shape of spans and learns none."""

    def find(self, spans: Sequence[bytes]) -> None:
        return None


class Digests:
    """The intake's work without a database: windows are made and counted."""

    def __init__(self) -> None:
        self._sender = Sender("benchmark", lambda _: True)

    def take(self, body: bytes, is_json: bool = False) -> None:
        # A new one for each batch, as those that come again are not counted.
        intake = SpanIntake(self._take_windows, lambda _: (1, 2), time.time, "benchmark")
        refused = intake.take(sort_spans(body, is_json), self._sender)
        assert not refused.spans, refused.why

    def _take_windows(self, windows: Sequence[Window]) -> int:
        assert sum(sum(each.count for each in window.series.values()) for window in windows) == 3 * SPANS
        return len(windows)


class OneScheduler:
    @hookimpl
    def serai_register_scheduler(self, context: PluginContext) -> Scheduler:
        return FakeScheduler()


class RunningServer:
    """A server with a database on a socket of this process."""

    def __init__(self, folder: Path) -> None:
        configuration = Configuration(data=folder, plugins=(), scheduler="one")
        self.composition: Composition = compose(configuration, "http://s", "http://g", [("one", OneScheduler())])
        core = self.composition.core
        with make_app(core).test_client() as client:
            admin = self._make_token(Permission.ADMIN)
            for image in ("model:1", "model:2"):
                asked = {"Authorization": f"Bearer {admin}"}
                answer = client.put("/api/v1/deployments/digits", json={"image": image}, headers=asked)
                assert answer.status_code in {200, 201}, answer.text
        core.cluster.refresh_all()
        self.token = self._make_token(Permission.SPANS)
        self._server = make_server(make_app(core), socket.create_server(("127.0.0.1", 0)), 64)
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def close(self) -> None:
        self._server.close()
        self._thread.join()
        self.composition.close()

    def _make_token(self, permission: Permission) -> str:
        core = self.composition.core
        return create_token(core.db, "benchmark", "benchmark", {permission}, core.clock())[1]


def send(port: int, token: str, content_type: str, is_gzip: bool, bodies: Sequence[bytes], seconds: float) -> int:
    """Send batches by SENDERS connections for so long; return how many were taken."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    if is_gzip:
        headers["Content-Encoding"] = "gzip"
    mark = MARK if content_type.endswith("protobuf") else MARK.hex().encode()
    taken = [0] * SENDERS
    ends_at = time.monotonic() + seconds

    def run(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < ends_at:
            id = random.randbytes(16)
            body = bodies[taken[number] % len(bodies)].replace(mark, id if len(mark) == 16 else id.hex().encode())
            connection.request("POST", "/v1/traces", gzip.compress(body, 1) if is_gzip else body, headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200 and not said.strip(b"{}"), (answer.status, said)
            taken[number] += 1
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(taken)


def measure_http(name: str, content_type: str, is_gzip: bool, bodies: Sequence[bytes], seconds: float) -> _Row:
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder))
        asked = (server.port, server.token, content_type, is_gzip, bodies)
        try:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(send, (*asked, 0.1))
                began = time.process_time()
                count = pool.apply(send, (*asked, seconds))
                taken_s = time.process_time() - began
        finally:
            server.close()
    encoding = "JSON" if content_type.endswith("json") else "protobuf"
    return make_row(name, encoding, count * SPANS, taken_s, len(bodies[0]))


def measure_sdk(rate: Rate) -> list[_Row]:
    """Return what the SDK takes to make the same bytes, and Python to read JSON."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource as SdkResource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

    of_resource = SdkResource({names.GATEWAY: "edge-1"})
    ended = [
        ReadableSpan(
            name=span.name,
            context=SpanContext(int.from_bytes(span.trace_id), int.from_bytes(span.span_id), False, TraceFlags(1)),
            resource=of_resource,
            attributes={
                each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes
            },
            kind=SpanKind.SERVER,
            start_time=span.start_time_unix_nano,
            end_time=span.end_time_unix_nano,
        )
        for span in make_batch(1).resource_spans[0].scope_spans[0].spans
    ]
    size = len(encode_spans(ended).SerializeToString())
    return [
        rate.measure(
            "SDK: encode (sender)", "protobuf", lambda _: encode_spans(ended).SerializeToString(), [b"x" * size]
        )
    ]


def main() -> None:
    rate = Rate(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
    batches = [make_batch(seed) for seed in range(10)]
    bodies = [batch.SerializeToString() for batch in batches]
    texts = [encode_json(batch) for batch in batches]
    digests, folding = Digests(), Folding()
    protobuf, json_type = "application/x-protobuf", "application/json"
    rows = [
        rate.measure("official decoding alone", "protobuf", ExportTraceServiceRequest.FromString, bodies),
        rate.measure("official decoding, attributes read", "protobuf", read_all, bodies),
        rate.measure("our decoding alone", "protobuf", lambda body: list(read_wire(body)), bodies),
        rate.measure("decoded and sorted", "protobuf", lambda body: sort_spans(body, is_json=False), bodies),
        rate.measure("sorted, not alike", "protobuf", lambda body: sort_spans(body, False, NoShapes()), bodies),
        rate.measure("sorted, new to it", "protobuf", lambda body: sort_spans(body, False, Shapes()), bodies),
        rate.measure("into digests", "protobuf", folding.take, bodies),
        rate.measure("into digests and windows, each batch by itself", "protobuf", digests.take, bodies),
        rate.measure("json.loads alone", "JSON", json.loads, texts),
        rate.measure("into digests", "JSON", lambda body: folding.take(body, is_json=True), texts),
        *measure_sdk(rate),
        measure_http("over HTTP, stored", protobuf, False, bodies, rate.seconds),
        measure_http("over HTTP, gzip, stored", protobuf, True, bodies, rate.seconds),
        measure_http("over HTTP, stored", json_type, False, texts, rate.seconds),
    ]
    report("span_intake", rows)


if __name__ == "__main__":
    main()
