"""What callers by TLS find at every engine."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from aiohttp import web

from serai.gateway.engine import Engine, TlsPlace
from tests.gateway.bench import Bench, values
from tests.gateway.certificates import Authority
from tests.gateway.engine_contract import EngineFixture, scenario


class TlsContract(EngineFixture):
    """`protocols` are those that callers may agree on with this engine, its favourite first."""

    protocols: tuple[str, ...]
    authority: Authority

    @pytest.fixture(autouse=True)
    def issued(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.authority = Authority(tmp_path_factory.mktemp("authority"))

    def tls(self) -> TlsPlace:
        """Return what `make_engine` gives its engine."""
        return TlsPlace("127.0.0.1", 0, self.authority.load("first"))

    def caller(self, bench: Bench, **more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=url(bench.engine), verify=self.authority.context, trust_env=False, **more)

    @scenario
    async def test_a_request_by_tls_is_like_any_other(self, bench: Bench) -> None:
        await bench.serve()
        async with self.caller(bench) as caller:
            answer = await caller.post("/m/x?y=1", content=b"hello")
        seen = answer.json()
        assert (answer.http_version, seen["target"], seen["body"]) == ("HTTP/1.1", "/x?y=1", "hello")
        assert values(seen["headers"], "X-Forwarded-Proto") == ["https"]
        record = await bench.record()
        assert (record.status, record.bytes_in, record.bytes_out) == (200, 5, len(answer.content))

    @scenario
    async def test_many_requests_on_one_connection(self, bench: Bench) -> None:
        model = await bench.serve()
        async with self.caller(bench, http2=True) as caller:
            answers = await asyncio.gather(*(caller.post("/m/", content=b"x" * size) for size in range(50)))
        assert sorted(answer.json()["length"] for answer in answers) == list(range(50))
        expected = "HTTP/2" if "h2" in self.protocols else "HTTP/1.1"
        assert {answer.http_version for answer in answers} == {expected} and model.requests == 50
        await bench.record(50)
        # In HTTP/2, HAProxy counts the end of a body as a byte or not, as it comes in a frame of its own or not.
        sizes = sorted(record.bytes_in for record in bench.records)
        assert all(abs(size - number) <= 1 for number, size in enumerate(sizes)), sizes
        assert {record.bytes_out for record in bench.records} == {len(answer.content) for answer in answers}

    @scenario
    async def test_the_plain_address_stays(self, bench: Bench) -> None:
        await bench.serve()
        seen = (await bench.call("/m/")).json()
        assert values(seen["headers"], "X-Forwarded-Proto") == ["http"]

    @scenario
    async def test_problems_come_by_tls_too(self, bench: Bench) -> None:
        async with self.caller(bench, http2=True) as caller:
            assert (await caller.get("/unknown/")).json()["code"] == "unknown-deployment"
            assert (await caller.get("/-/healthz")).json() == {"engine": "under test"}

    @scenario
    async def test_events_come_one_by_one(self, bench: Bench) -> None:
        sent: asyncio.Queue[bytes] = asyncio.Queue()

        async def stream(request: web.BaseRequest) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await answer.prepare(request)
            for _ in range(3):
                await answer.write(await sent.get())
            return answer

        await bench.serve(stream)
        async with self.caller(bench, http2=True) as caller, caller.stream("GET", "/m/") as answer:
            chunks = answer.aiter_raw()
            for event in (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"):
                await sent.put(event)
                assert await asyncio.wait_for(anext(chunks), 5) == event

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
    @scenario
    async def test_what_is_too_old_is_refused(self, bench: Bench) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(bench.engine, context)

    @scenario
    async def test_callers_and_engine_agree_on_a_protocol(self, bench: Bench) -> None:
        for offered, agreed in ((["h2", "http/1.1"], self.protocols[0]), (["http/1.1"], "http/1.1"), ([], None)):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if offered:
                context.set_alpn_protocols(offered)
            chosen = await handshake(bench.engine, context, lambda tls: tls.selected_alpn_protocol())
            assert chosen == agreed, offered

    @scenario
    async def test_plain_speech_at_the_tls_address_is_no_request(self, bench: Bench) -> None:
        await bench.serve()
        assert bench.engine.tls_address is not None
        reader, writer = await asyncio.open_connection(*bench.engine.tls_address)
        writer.write(b"GET /m/ HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionError):  # cut, or closed without a word
            if b"HTTP/1.1 200" not in await asyncio.wait_for(reader.read(), 15):
                raise ConnectionError
        writer.close()
        assert bench.records == []

    @scenario
    async def test_another_certificate_costs_no_connection(self, bench: Bench) -> None:
        await bench.serve()
        stopped = asyncio.Event()
        async with self.caller(bench) as old:
            await old.get("/m/")
            load = asyncio.create_task(call_until(stopped, old))
            for number in range(5):
                certificate = self.authority.load(f"next-{number}", f"name-{number}.test")
                await bench.engine.present(certificate)
                assert f"name-{number}.test" in await names_shown(bench.engine, self.authority.context)
            stopped.set()
            assert await load > 0
            network = (await old.get("/m/")).extensions["network_stream"]
            assert "name-4.test" not in shown(network.get_extra_info("ssl_object"))  # the connection is the old one


async def call_until(stopped: asyncio.Event, caller: httpx.AsyncClient) -> int:
    """Call all the while; return how often. Any failure is raised."""
    count = 0
    while not stopped.is_set():
        assert (await caller.get("/m/")).status_code == 200
        count += 1
    return count


def url(engine: Engine) -> str:
    assert engine.tls_address is not None
    return "https://{}:{}".format(*engine.tls_address)


async def handshake(
    engine: Engine, context: ssl.SSLContext, look: Callable[[ssl.SSLSocket], Any] = lambda tls: None
) -> Any:
    """Return what `look` finds at a connection after its handshake."""
    assert engine.tls_address is not None

    def connect() -> Any:
        assert engine.tls_address is not None
        with (
            socket.create_connection(engine.tls_address, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            return look(tls)

    return await asyncio.to_thread(connect)


async def names_shown(engine: Engine, context: ssl.SSLContext) -> list[str]:
    return list(await handshake(engine, context, shown))


def shown(tls: ssl.SSLSocket | ssl.SSLObject) -> list[str]:
    """Return the names of the certificate that the other side has shown."""
    found: Any = tls.getpeercert()
    return [name for _, name in found["subjectAltName"]]
