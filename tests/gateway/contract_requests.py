"""Contract: what of a request reaches the model, and what of its answer reaches the caller."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
from aiohttp import web

from serai.domain.deployment import Access
from serai.domain.routes import Grant
from tests.gateway.bench import Bench, at, soon, values
from tests.gateway.engine_contract import EngineFixture, scenario
from tests.gateway.models import read_head

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def grant(key: str, id: str = "k1", expires_at: float | None = None) -> Grant:
    return Grant(hashlib.sha256(key.encode()).hexdigest(), id, expires_at)


class RequestContract(EngineFixture):
    @pytest.mark.parametrize(
        ("target", "seen"),
        [
            ("/m/", "/"),
            ("/m", "/"),
            ("/m?x=1", "/?x=1"),
            ("/m/a/b?x=1&y=%20", "/a/b?x=1&y=%20"),
            ("/m//a//b/", "//a//b/"),
            ("/m/%2Fa%2e%2e/%C3%A9?q=%2F", "/%2Fa%2e%2e/%C3%A9?q=%2F"),
            ("/m/../x/./y", "/../x/./y"),
            ("/m/a;b=c,d:e@f!$'()*+~", "/a;b=c,d:e@f!$'()*+~"),
            ("http://gateway/m/abs?x", "/abs?x"),
            ("/other/x", "unknown-deployment"),
            ("/M/x", "unknown-deployment"),
            ("/", "unknown-deployment"),
            ("//m/x", "unknown-deployment"),
        ],
    )
    @scenario
    async def test_target_by_path(self, target: str, seen: str, bench: Bench) -> None:
        await bench.serve()
        assert await bench.seen_target(target) == seen

    @pytest.mark.parametrize(
        ("host", "target", "seen"),
        [
            ("m.models.test", "/m/a//b?x", "/m/a//b?x"),
            ("M.Models.Test:8000", "/", "/"),
            ("gateway.models.test", "/m/a", "/a"),
            ("m.models.test.evil", "/m/a", "/a"),
            ("x.m.models.test", "/a", "unknown-deployment"),
        ],
    )
    @scenario
    async def test_target_by_host(self, host: str, target: str, seen: str, bench: Bench) -> None:
        await bench.serve()
        assert await bench.seen_target(target, host) == seen

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
    @scenario
    async def test_any_method_with_a_body(self, method: str, bench: Bench) -> None:
        await bench.serve()
        seen = (await bench.call("/m/x", method, body=b"hello")).json()
        assert (seen["method"], seen["body"]) == (method, "hello")

    @scenario
    async def test_head_has_the_length_and_no_body(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=b"x" * 1234)

        await bench.serve(handler)
        reply = await bench.call(method="HEAD")
        assert (reply.status, reply.headers["Content-Length"], reply.body) == (200, "1234", b"")
        assert (await bench.call()).body == b"x" * 1234

    @pytest.mark.parametrize("status", [200, 204, 206, 301, 304, 404, 418, 500, 503, 599])
    @scenario
    async def test_status_and_headers_come_back(self, status: int, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=status, reason="As Said", headers=[("X-A", "1"), ("X-A", "2")])

        await bench.serve(handler)
        raw = await bench.raw(b"GET /m/ HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        head = raw.partition(b"\r\n\r\n")[0]
        assert head.startswith(b"HTTP/1.1 %d As Said\r\n" % status)
        assert b"\r\nx-a: 1\r\nx-a: 2\r\n" in head.lower()  # an engine may write names in lower case
        assert (await bench.record()).status == status

    @scenario
    async def test_headers_of_one_connection_stay_there(self, bench: Bench) -> None:
        await bench.serve()
        sent = {"Connection": "keep-alive, X-Hop", "X-Hop": "1", "Keep-Alive": "5", "TE": "gzip", "X-Kept": "yes"}
        seen = (await bench.call(headers=sent | {"Proxy-Authorization": "x"})).json()["headers"]
        names = {name.lower() for name, _ in seen}
        assert "x-kept" in names
        assert not names & {"x-hop", "keep-alive", "te", "proxy-authorization"}

    @scenario
    async def test_nominating_framing_headers_changes_nothing(self, bench: Bench) -> None:
        await bench.serve()
        reply = await bench.call("/m/", "POST", {"Connection": "content-length, host"}, b"four")
        assert reply.json()["body"] == "four"

    @scenario
    async def test_the_model_learns_who_calls(self, bench: Bench) -> None:
        await bench.serve()
        lies = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "gopher", "Forwarded": "for=1.2.3.4"}
        seen = (await bench.call("/m/x", headers=lies | {"Host": "api.example"})).json()["headers"]
        assert values(seen, "X-Forwarded-For") == ["127.0.0.1"]
        assert values(seen, "X-Forwarded-Proto") == ["http"]
        assert values(seen, "X-Forwarded-Host") == ["api.example"]
        assert values(seen, "X-Forwarded-Prefix") == ["/m"]
        assert values(seen, "Host") == ["api.example"]
        assert values(seen, "Forwarded") == []

    @pytest.mark.parametrize(
        ("cookie", "seen"),
        [
            ("serai_session=secret", []),
            ("a=1; serai_session=secret; b=2", ["a=1; b=2"]),
            ("a=1;serai_session=x", ["a=1"]),
            ("not_serai_session=1", ["not_serai_session=1"]),
        ],
    )
    @scenario
    async def test_the_session_cookie_never_reaches_a_model(self, cookie: str, seen: list[str], bench: Bench) -> None:
        await bench.serve()
        assert values((await bench.call(headers={"Cookie": cookie})).json()["headers"], "Cookie") == seen

    @scenario
    async def test_a_model_cannot_set_our_cookie_or_headers(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            pairs = [("Set-Cookie", "serai_session=evil; Path=/"), ("Set-Cookie", "mine=1"), ("X-Serai-Version", "99")]
            return web.Response(headers=pairs)

        await bench.serve(handler)
        headers = (await bench.call()).headers
        assert headers.getall("Set-Cookie") == ["mine=1"]  # type: ignore[attr-defined]
        assert headers.getall("X-Serai-Version") == ["1"]  # type: ignore[attr-defined]
        assert headers["X-Serai-Replica"] == "r1"

    @scenario
    async def test_our_headers_are_not_passed_on(self, bench: Bench) -> None:
        await bench.serve()
        seen = (await bench.call(headers={"X-Serai-Version": "1", "X-Serai-Anything": "x"})).json()["headers"]
        assert not [name for name, _ in seen if name.lower().startswith("x-serai")]

    @scenario
    async def test_request_id_is_made_or_passed_on(self, bench: Bench) -> None:
        await bench.serve()
        for sent, kept in ({"X-Request-Id": "abc-1"}, True), ({"X-Request-Id": "a b\t<"}, False), ({}, False):
            reply = await bench.call(headers=sent)
            (seen,) = values(reply.json()["headers"], "X-Request-Id")
            assert reply.headers["X-Request-Id"] == seen
            assert (seen == sent.get("X-Request-Id")) is kept and seen

    @scenario
    async def test_a_valid_trace_is_joined(self, bench: Bench) -> None:
        await bench.serve()
        sent = {"traceparent": f"00-{TRACE}-{SPAN}-00", "tracestate": "v=1"}
        seen = (await bench.call(headers=sent)).json()["headers"]
        (parent,) = values(seen, "traceparent")
        assert parent.startswith(f"00-{TRACE}-") and parent.endswith("-00") and SPAN not in parent
        assert values(seen, "tracestate") == ["v=1"]
        record = await bench.record()
        assert (record.trace_id, record.parent_id) == (TRACE, SPAN) and record.span_id in parent

    @scenario
    async def test_a_broken_trace_is_replaced(self, bench: Bench) -> None:
        await bench.serve()
        sent = {"traceparent": f"00-{'0' * 32}-{SPAN}-01", "tracestate": "v=1"}
        seen = (await bench.call(headers=sent)).json()["headers"]
        (parent,) = values(seen, "traceparent")
        assert parent.split("-")[1] not in ("0" * 32, "") and parent.endswith("-01")
        assert values(seen, "tracestate") == []

    @scenario
    async def test_keys(self, bench: Bench) -> None:
        grants = (grant("good"), grant("old", "k2", expires_at=1.0))
        await bench.serve(access=Access.KEYS, grants=grants)
        await bench.route(at(await bench.model()), name="n", access=Access.KEYS, grants=(grant("other", "k3"),))
        for sent, status, code in [
            (None, 401, "unauthenticated"),
            ("Basic Z29vZA==", 401, "unauthenticated"),
            ("Bearer ", 401, "unauthenticated"),
            ("Bearer nonsense", 401, "unauthenticated"),
            ("Bearer old", 401, "unauthenticated"),
            ("Bearer other", 403, "forbidden"),
        ]:
            reply = await bench.call(headers={"Authorization": sent} if sent else {})
            assert (reply.status, reply.code()) == (status, code), sent
            assert ("WWW-Authenticate" in reply.headers) is (status == 401)
        reply = await bench.call(headers={"Authorization": "bearer good"})
        assert reply.status == 200 and values(reply.json()["headers"], "Authorization") == []
        assert (await bench.record(7)).key_id == "k1"

    @scenario
    async def test_an_open_deployment_passes_authorization_on(self, bench: Bench) -> None:
        await bench.serve()
        seen = (await bench.call(headers={"Authorization": "Bearer of the model"})).json()["headers"]
        assert values(seen, "Authorization") == ["Bearer of the model"]

    @scenario
    async def test_a_revoked_key_is_refused_at_once(self, bench: Bench) -> None:
        model = await bench.serve(access=Access.KEYS, grants=(grant("k"),))
        key = {"Authorization": "Bearer k"}
        assert (await bench.call(headers=key)).status == 200
        await bench.route(at(model), access=Access.KEYS, grants=())
        assert (await bench.call(headers=key)).status == 401

    @scenario
    async def test_versions_can_be_named(self, bench: Bench) -> None:
        one, two = await bench.model(), await bench.model()
        await bench.route(at(one, "r1", 1), at(two, "r2", 2), version=2)
        for sent, status, version in [({}, 200, "2"), ({"X-Serai-Version": "1"}, 200, "1")]:
            reply = await bench.call(headers=sent)
            assert (reply.status, reply.headers["X-Serai-Version"]) == (status, version)
        for text, status, code in [("7", 404, "version-not-running"), ("new", 400, "bad-version")]:
            reply = await bench.call(headers={"X-Serai-Version": text})
            assert (reply.status, reply.code()) == (status, code)

    @scenario
    async def test_names_are_not_leaked(self, bench: Bench) -> None:
        await bench.serve()
        reply = await bench.call("/n/")
        assert reply.status == 404 and reply.code() == "unknown-deployment" and b'"m"' not in reply.body
        assert bench.records == []

    @scenario
    async def test_records_tell_what_happened(self, bench: Bench) -> None:
        await bench.serve()
        reply = await bench.call("/m/", "POST", body=b"12345")
        record = await bench.record()
        assert (record.deployment, record.version, record.replica, record.status) == ("m", 1, "r1", 200)
        assert (record.bytes_in, record.bytes_out) == (5, len(reply.body))
        assert record.queue_s is not None and record.first_byte_s is not None
        assert 0 <= record.queue_s <= record.first_byte_s <= record.total_s < 5

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"GET /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"GET /m/ HTTP/1.1\r\nHost: g\r\nX y: z\r\n\r\n",
            b"GET /m/ HTTP/1.1\r\nHost: g\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
            b"GET /m/" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: g\r\n\r\n",
            b"GET /m/ HTTP/1.1\r\nHost: g\r\nX: a\0b\r\n\r\n",
            b"nonsense\r\n\r\n",
        ],
        ids=["two lengths", "space in a name", "huge header", "huge target", "NUL", "nonsense"],
    )
    @scenario
    async def test_nonsense_is_refused_and_the_connection_closed(self, request_bytes: bytes, bench: Bench) -> None:
        model = await bench.serve()
        raw = await bench.raw(request_bytes)
        assert raw.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")) and raw.count(b"HTTP/1") == 1, raw[:200]
        head, _, body = raw.partition(b"\r\n\r\n")
        if b"text/html" not in head:  # an engine may have a page of its own for what it cannot read
            assert json.loads(body)["code"] == "malformed"
        assert model.requests == 0

    @scenario
    async def test_a_length_beside_chunks_smuggles_nothing(self, bench: Bench) -> None:
        """Refused, or read as chunks by everybody: then the model is told of no length, and nothing may follow."""
        model = await bench.serve()
        follower = b"GET /m/smuggled HTTP/1.1\r\nHost: g\r\n\r\n"
        raw = await bench.raw(
            b"POST /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            + follower
        )
        assert raw.count(b"HTTP/1.") == 1  # `raw` ends with the connection
        if raw.startswith(b"HTTP/1.1 200"):
            seen = json.loads(raw.partition(b"\r\n\r\n")[2])
            assert values(seen["headers"], "Content-Length") == [] and seen["length"] == 0
            assert model.requests == 1
        else:
            assert raw.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) and model.requests == 0

    @scenario
    async def test_an_old_caller_gets_no_chunks(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b"hello ")
            await response.write(b"world")
            return response

        await bench.serve(handler)
        raw = await bench.raw(b"GET /m/ HTTP/1.0\r\n\r\n")
        head, _, body = raw.partition(b"\r\n\r\n")
        assert body == b"hello world"
        assert b"transfer-encoding" not in head.lower() and (
            head.startswith(b"HTTP/1.0") or b"connection: close" in head.lower()
        )

    @scenario
    async def test_requests_can_be_pipelined(self, bench: Bench) -> None:
        await bench.serve()
        last = b"GET /m/3 HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
        raw = await bench.raw(b"GET /m/1 HTTP/1.1\r\nHost: g\r\n\r\nGET /m/2 HTTP/1.1\r\nHost: g\r\n\r\n" + last)
        assert [raw.count(b'"target": "/%d"' % number) for number in (1, 2, 3)] == [1, 1, 1]

    @scenario
    async def test_health(self, bench: Bench) -> None:
        reply = await bench.call("/-/healthz")
        assert reply.status == 200 and reply.json() == {"engine": "under test"}
        assert (await bench.call("/-/other")).status == 404
        assert bench.records == []

    @scenario
    async def test_expect_reaches_the_model_and_its_leave_the_caller(self, bench: Bench) -> None:
        asked = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert b"expect: 100-continue" in (await read_head(reader)).lower()
            await asked.wait()
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await reader.readexactly(5) == b"hello"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        reader, writer = await bench.dial()
        writer.write(b"POST /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        asked.set()
        assert (await read_head(reader)).startswith(b"HTTP/1.1 100")
        writer.write(b"hello")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(2) == b"ok"
        writer.close()

    @scenario
    async def test_a_refusal_spares_the_caller_its_body(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        reader, writer = await bench.dial()
        writer.write(b"POST /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 413")
        writer.close()
        await soon(lambda: bench.records)
        assert bench.records[0].bytes_in == 0
