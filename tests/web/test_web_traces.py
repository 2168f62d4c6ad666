"""`/v1/traces` over HTTP, as docs/howto/traces.md says it, and what is told of a trace."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, set_span_in_context
from werkzeug.test import TestResponse

from serai.config import load_configuration
from serai.domain.accounts import Account, Role
from serai.domain.attributes import make_resource
from serai.domain.errors import Invalid
from serai.plugin.identity import Permission
from serai.store.accounts import create_account
from serai.web.app import edge_of
from tests.telemetry.otlp_spans import make_request, make_span, to_json
from tests.web.installation import API, Installation
from tests.web.served import served

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@pytest.fixture
def digits(installation: Installation) -> Installation:
    installation.deploy("digits")
    installation.tokens["sender"] = installation.make_token("edge", Permission.SPANS)
    return installation


def span(installation: Installation, number: int = 1, ago_s: float = 30, **more: Any) -> Span:
    return make_span(number, installation.clock().timestamp() - ago_s, **more)


def post(
    installation: Installation, body: bytes, who: str = "sender", kind: str | None = PROTOBUF, packing: str = ""
) -> TestResponse:
    headers = {"Authorization": f"Bearer {installation.tokens[who]}"} if who else {}
    if packing:
        headers["Content-Encoding"] = packing
    return installation.app.test_client().post("/v1/traces", data=body, content_type=kind, headers=headers)


def count(installation: Installation, query: str = "") -> int:
    path = f"/deployments/digits/metrics/requests?from=1h&interval=5m{query}"
    return int(installation.caller("reader").get(path).json["total"]["count"])


def status_of(answer: TestResponse) -> tuple[int, str]:
    """Return code and message of a google.rpc.Status in either encoding."""
    if answer.mimetype == JSON:
        return answer.json["code"], answer.json["message"]
    assert answer.mimetype == PROTOBUF
    assert (answer.data[0], answer.data[2]) == (0x08, 0x12)
    place = 4 if answer.data[3] < 0x80 else 5
    return answer.data[1], answer.data[place:].decode()


def refused(answer: TestResponse) -> tuple[int, str]:
    assert answer.status_code == 200, answer.data
    if answer.mimetype == JSON:
        said = answer.json.get("partialSuccess", {})
        return int(said.get("rejectedSpans", "0")), said.get("errorMessage", "")
    partial = ExportTraceServiceResponse.FromString(answer.data).partial_success
    return partial.rejected_spans, partial.error_message


@pytest.mark.parametrize("kind", [PROTOBUF, JSON, f"{JSON}; charset=utf-8"])
@pytest.mark.parametrize("packing", ["", "gzip", "identity"])
def test_a_batch_is_counted_in_both_encodings_packed_or_not(digits: Installation, kind: str, packing: str) -> None:
    request = make_request(*(span(digits, number, took_s=0.5) for number in range(1, 4)))
    body = request.SerializeToString() if kind == PROTOBUF else to_json(request)
    answer = post(digits, gzip.compress(body) if packing == "gzip" else body, kind=kind, packing=packing)
    assert refused(answer) == (0, "")
    assert answer.mimetype == kind.partition(";")[0]
    assert answer.data in {b"", b"{}"}
    found = digits.caller().get("/deployments/digits/metrics/requests?from=1h&interval=5m").json["total"]
    assert (found["count"], found["avg"]) == (3, pytest.approx(0.5))
    post(digits, body, kind=kind)
    assert count(digits) == 3


def test_figures_are_kept_by_version_replica_and_status(digits: Installation) -> None:
    spans = [
        span(digits, 1, serai__replica="r1"),
        span(digits, 2, serai__replica="r2", http__response__status_code=503),
    ]
    post(digits, make_request(*spans).SerializeToString())
    assert [count(digits, f"&{query}") for query in ("replica=r1", "replica=r2&status=5xx", "status=4xx")] == [1, 1, 0]


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_what_is_refused_is_told_in_a_partial_success(digits: Installation, kind: str) -> None:
    request = make_request(span(digits, 1), span(digits, 2, serai__deployment="nothing"))
    body = request.SerializeToString() if kind == PROTOBUF else to_json(request)
    assert refused(post(digits, body, kind=kind)) == (
        1,
        "1 x there is no deployment 'nothing' of which this token may tell",
    )
    assert count(digits) == 1


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [("", 401, 16), ("reader", 403, 7), ("gateway", 403, 7), ("writer", 200, 0), ("admin", 200, 0)],
)
def test_who_may_send_spans(digits: Installation, who: str, status: int, code: int) -> None:
    for kind in (PROTOBUF, JSON):
        answer = post(digits, b"" if kind == PROTOBUF else b"{}", who, kind)
        assert answer.status_code == status
        if status != 200:
            assert status_of(answer)[0] == code
            assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_a_token_for_spans_can_do_nothing_else(digits: Installation) -> None:
    sender = digits.caller("sender")
    answers = [sender.get("/deployments"), sender.get("/tokens"), sender.post("/deployments/digits/stop")]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_a_token_tells_of_what_its_login_may_write_to_alone(installation: Installation) -> None:
    now = installation.clock()
    for login in ("mia", "max"):
        create_account(installation.core.db, Account(login, login, "", Role.MEMBER, now), "ann")
        installation.tokens[login] = installation.make_token(login, Permission.WRITE)
        installation.tokens[f"{login}'s"] = installation.make_token(login, Permission.SPANS)
    installation.caller("mia").put("/deployments/digits", {"image": "model:1"})
    installation.tick(4)
    body = make_request(span(installation)).SerializeToString()
    assert refused(post(installation, body, "mia's"))[0] == 0
    assert refused(post(installation, body, "max's")) == (
        1,
        "1 x there is no deployment 'digits' of which this token may tell",
    )
    assert count(installation) == 1


@pytest.mark.parametrize(
    ("body", "kind", "packing", "status", "code", "message"),
    [
        (b"\xff\xff", PROTOBUF, "", 400, 3, "no ExportTraceServiceRequest"),
        (b"[]", JSON, "", 400, 3, "JSON object"),
        (b"not gzip", PROTOBUF, "gzip", 400, 3, "not gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-12], PROTOBUF, "gzip", 400, 3, "cut off"),
        (b"", PROTOBUF, "gzip", 400, 3, "cut off"),
        (b"", PROTOBUF, "br", 415, 3, "gzip, not 'br'"),
        (b"x", "text/plain", "", 415, 3, "not 'text/plain'"),
        (b"x", None, "", 415, 3, "has none"),
    ],
)
def test_junk_is_refused_with_a_status(
    digits: Installation, body: bytes, kind: str | None, packing: str, status: int, code: int, message: str
) -> None:
    answer = post(digits, body, kind=kind, packing=packing)
    assert answer.status_code == status
    assert answer.mimetype == (PROTOBUF if kind == PROTOBUF else JSON)
    assert status_of(answer)[0] == code
    assert message in status_of(answer)[1]


def test_gzip_may_have_several_members(digits: Installation) -> None:
    body = make_request(span(digits)).SerializeToString()
    packed = gzip.compress(body[:10]) + gzip.compress(body[10:])
    assert refused(post(digits, packed, packing="gzip")) == (0, "")
    assert count(digits) == 1


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(digits: Installation, kind: str) -> None:
    bomb = gzip.compress(bytes(200 * 2**20))
    assert len(bomb) < 2**20
    assert post(digits, bomb, kind=kind, packing="gzip").status_code == 413
    many = gzip.compress(bytes(2**20)) * 17
    answer = post(digits, many, kind=kind, packing="gzip")
    assert (answer.status_code, status_of(answer)[0]) == (413, 8)


def test_a_body_that_is_too_large_is_refused(digits: Installation) -> None:
    answer = post(digits, bytes(16 * 2**20 + 1))
    assert (answer.status_code, answer.mimetype) == (413, PROTOBUF)


def test_too_many_spans_are_refused(digits: Installation) -> None:
    answer = post(
        digits, b'{"resourceSpans": [{"scopeSpans": [{"spans": [%s]}]}]}' % b",".join([b"{}"] * 50_001), kind=JSON
    )
    assert answer.status_code == 413


def test_a_full_intake_says_when_to_come_back(digits: Installation) -> None:
    spans = edge_of(digits.app).spans
    with spans.place() as take_room:
        take_room(64 * 2**20)
        answer = post(digits, make_request(span(digits)).SerializeToString())
    assert (answer.status_code, answer.headers["Retry-After"], status_of(answer)[0]) == (503, "1", 14)
    assert refused(post(digits, make_request(span(digits)).SerializeToString())) == (0, "")
    assert count(digits) == 1


def test_what_cannot_be_stored_is_to_be_sent_again(digits: Installation) -> None:
    body = make_request(span(digits)).SerializeToString()
    metrics = digits.core.metrics
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with metrics.write():
            held.set()
            let_go.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        metrics._patience_s = 0.2
        answer = post(digits, body)
    finally:
        metrics._patience_s = 30
        let_go.set()
        thread.join()
    assert (answer.status_code, status_of(answer)[0]) == (503, 14)
    assert int(answer.headers["Retry-After"]) >= 1
    assert refused(post(digits, body)) == (0, "")
    assert count(digits) == 1


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300), st.sampled_from([PROTOBUF, JSON]), st.sampled_from(["", "gzip"]))
def test_no_junk_is_a_fault_of_the_server(digits: Installation, body: bytes, kind: str, packing: str) -> None:
    packed = gzip.compress(body) if packing and len(body) % 2 else body
    answer = post(digits, packed, kind=kind, packing=packing)
    assert answer.status_code in {200, 400}
    if kind == PROTOBUF and not packing and answer.status_code == 400:
        with pytest.raises(DecodeError):
            ExportTraceServiceRequest.FromString(body)


@pytest.fixture
def url(digits: Installation) -> Iterator[str]:
    with served(digits.app) as address:
        yield address


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_exporter_of_the_sdk_is_understood(digits: Installation, url: str, compression: Compression) -> None:
    """A model that is instrumented and a gateway that is not ours, by OpenTelemetry's own SDK."""
    headers = {"Authorization": f"Bearer {digits.tokens['sender']}"}
    exporter = OTLPSpanExporter(f"{url}/v1/traces", headers=headers, compression=compression)
    trace_id = send_by_sdk(digits, exporter)
    assert count(digits) == 1
    trace = digits.caller("reader").get(f"/traces/{trace_id}").json
    assert [
        (each["name"], each["kind"], each["deployment"], each["version"], each["replica"]) for each in trace["spans"]
    ] == [("tokenize", "internal", "digits", 1, "digits-v1.1")]
    assert trace["spans"][0]["attributes"] == {"tokens": 12}


def send_by_sdk(digits: Installation, exporter: OTLPSpanExporter) -> str:
    """Send a request's span and, of the same trace, one of the model; return the trace's id."""
    now_ns = int(digits.clock().timestamp() * 1e9)
    gateway = TracerProvider(
        resource=Resource({"serai.gateway": "edge", "service.name": "edge"}), shutdown_on_exit=False
    )
    model = TracerProvider(
        resource=Resource(dict(pair.split("=") for pair in make_resource("digits", 1, "digits-v1.1").split(","))),
        shutdown_on_exit=False,
    )
    for provider in (gateway, model):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    attributes = {"serai.deployment": "digits", "serai.version": 1, "http.response.status_code": 200}
    request = gateway.get_tracer("edge").start_span(
        "POST", kind=SpanKind.SERVER, attributes=attributes, start_time=now_ns - 10**9
    )
    inner = model.get_tracer("model").start_span(
        "tokenize", context=set_span_in_context(request), attributes={"tokens": 12}, start_time=now_ns - 9 * 10**8
    )
    inner.end(now_ns - 8 * 10**8)
    request.end(now_ns)
    for provider in (gateway, model):
        provider.shutdown()
    return f"{request.get_span_context().trace_id:032x}"


def test_the_sdk_reads_what_replicas_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", make_resource("digits", 3, "9f0c"))
    found = OTELResourceDetector().detect().attributes
    assert {name: found[name] for name in ("serai.deployment", "serai.version", "serai.replica")} == {
        "serai.deployment": "digits",
        "serai.version": "3",
        "serai.replica": "9f0c",
    }


def test_a_trace_has_the_gateways_request_and_the_models_spans(digits: Installation) -> None:
    trace_id, now = 32 * "a", digits.clock().timestamp()
    request = {
        "deployment": "digits", "version": 1, "replica": "digits-v1.1", "method": "POST", "path": "/predict",
        "status": 503, "started_at": now - 2, "total_s": 0.5, "trace_id": trace_id, "span_id": 16 * "b",
        "error": "no-capacity",
    }  # fmt: skip
    sent = digits.caller("gateway").post("/telemetry/spans", {"gateway": "g", "spans": [request]})
    assert sent.status_code == 200, sent.text
    inner = span(digits, 2, ago_s=1.6, took_s=0.2, kind=Span.SPAN_KIND_INTERNAL)
    inner.trace_id, inner.parent_span_id = bytes.fromhex(trace_id), bytes.fromhex(16 * "b")
    inner.status.code, inner.status.message = 2, "out of memory"
    assert refused(post(digits, make_request(inner).SerializeToString())) == (0, "")
    answer = digits.caller("reader").get(f"/traces/{trace_id}").json
    assert (answer["trace_id"], answer["url"]) == (trace_id, "")
    first, second = answer["spans"]
    assert (first["name"], first["kind"], first["error"], first["parent_id"]) == (
        "POST digits",
        "server",
        "no-capacity",
        "",
    )
    assert first["attributes"]["url.path"] == "/predict"
    assert (second["name"], second["error"], second["parent_id"]) == ("POST 2", "out of memory", 16 * "b")
    assert second["took"] == pytest.approx(0.2)


def test_an_unknown_trace_has_no_spans(digits: Installation) -> None:
    reader = digits.caller("reader")
    assert reader.get(f"/traces/{32 * '0'}").json["spans"] == []
    assert reader.get("/traces/xyz").status_code == 422
    assert digits.caller("sender").get(f"/traces/{32 * '0'}").status_code == 403


def test_the_link_to_the_tracer_is_told(tmp_path: Path) -> None:
    installed = Installation(tmp_path / "data", trace_url="https://tracer.example/t/{trace_id}?x=1")
    try:
        answer = installed.caller("reader").get(f"/traces/{32 * 'a'}").json
        assert answer["url"] == f"https://tracer.example/t/{32 * 'a'}?x=1"
    finally:
        installed.close()


def test_the_document_says_what_otlp_takes_and_answers(installation: Installation) -> None:
    document = json.loads(installation.app.test_client().get("/openapi.json").text)
    operation = document["paths"]["/v1/traces"]["post"]
    assert set(operation["requestBody"]["content"]) == {PROTOBUF, JSON}
    assert {"200", "400", "401", "403", "413", "415", "503"} <= set(operation["responses"])
    assert set(operation["responses"]["400"]["content"]) == {PROTOBUF, JSON}
    assert f"{API}/traces/{{trace_id}}" in document["paths"]


@pytest.mark.parametrize(
    "value", ["https://tracer.example", "tracer.example/{trace_id}", "javascript:{trace_id}", "https://t/{trace_id}\n"]
)
def test_an_address_of_traces_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match=r"trace_url: .* has to begin with http:// or https:// and to hold \{trace_id\}"):
        load_configuration(None, {"SERAI_TRACE_URL": value})
