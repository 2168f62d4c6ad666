"""Contract: bytes flow both ways as they come, and every limit is kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from serai.domain.deployment import Timeouts
from serai.domain.routes import Endpoint
from tests.gateway.bench import Bench, at, soon
from tests.gateway.engine_contract import EngineFixture, scenario
from tests.gateway.models import read_head

MIB = 2**20


class StreamContract(EngineFixture):
    @scenario
    async def test_events_come_one_by_one(self, bench: Bench) -> None:
        turns: asyncio.Queue[bytes] = asyncio.Queue()

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            while event := await turns.get():
                await response.write(event)
            return response

        await bench.serve(handler)
        async with aiohttp.ClientSession() as session, session.get(f"http://{bench.address}/m/") as response:
            assert response.status == 200  # the head alone, before any event
            for number in range(5):
                event = b"data: %d\n\n" % number
                turns.put_nowait(event)
                assert await asyncio.wait_for(response.content.readany(), 5) == event
            turns.put_nowait(b"")
            assert await response.content.read() == b""
        assert (await bench.record()).bytes_out == 45

    @scenario
    async def test_an_upload_streams_while_it_comes(self, bench: Bench) -> None:
        came: asyncio.Queue[bytes] = asyncio.Queue()

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            async for chunk in request.content.iter_any():
                came.put_nowait(chunk)
            return web.Response(text="done")

        async def parts() -> AsyncIterator[bytes]:
            for number in range(5):
                part = b"part %d" % number
                yield part
                assert await asyncio.wait_for(came.get(), 5) == part

        await bench.serve(handler)
        assert (await bench.call(method="POST", body=parts())).body == b"done"
        assert (await bench.record()).bytes_in == 30

    @pytest.mark.parametrize("is_chunked", [False, True])
    @scenario
    async def test_large_bodies_pass_whole_both_ways(self, is_chunked: bool, bench: Bench) -> None:
        block = bytes(range(256)) * 4096  # 1 MiB

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            if not is_chunked:
                response.content_length = 20 * MIB
            await response.prepare(request)
            async for chunk in request.content.iter_any():
                await response.write(chunk)
            return response

        async def blocks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield block

        await bench.serve(handler)
        headers = {} if is_chunked else {"Content-Length": str(20 * MIB)}
        reply = await bench.call(method="POST", headers=headers, body=blocks())
        assert hashlib.sha256(reply.body).digest() == hashlib.sha256(block * 20).digest()
        record = await bench.record()
        assert (record.bytes_in, record.bytes_out) == (20 * MIB, 20 * MIB)

    @scenario
    async def test_a_slow_model_slows_the_caller(self, bench: Bench) -> None:
        """What the model does not take stays with the caller, not in the gateway's memory."""
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            await go_on.wait()
            await reader.readexactly(64 * MIB)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        reader, writer = await bench.dial()
        writer.write(b"POST /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        writer.write(bytes(64 * MIB))
        buffered = writer.transport.get_write_buffer_size
        before = 0
        while before != (now := buffered()):  # until nothing moves any more
            before = now
            await asyncio.sleep(0.1)
        assert buffered() > 48 * MIB
        go_on.set()
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200")
        writer.close()

    @scenario
    async def test_a_slow_caller_slows_the_model(self, bench: Bench) -> None:
        written = 0

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal written
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(64):
                await response.write(bytes(MIB))
                written += 1
            return response

        await bench.serve(handler)
        reader, writer = await bench.dial()
        writer.transport.pause_reading()
        writer.write(b"GET /m/ HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        before = -1
        while before != (now := written):
            before = now
            await asyncio.sleep(0.1)
        assert written < 32
        writer.transport.resume_reading()
        assert (await reader.read()).count(bytes(1000)) > 60_000
        writer.close()

    @scenario
    async def test_compressed_bodies_stay_as_they_are(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            return web.Response(body=body, headers={"Content-Encoding": request.headers["Content-Encoding"]})

        await bench.serve(handler)
        reply = await bench.call(method="POST", headers={"Content-Encoding": "gzip"}, body=b"not really gzip")
        assert (reply.body, reply.headers["Content-Encoding"]) == (b"not really gzip", "gzip")

    @scenario
    async def test_an_early_answer_ends_the_upload(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
            await writer.drain()
            await reader.read()

        await bench.route(at(await bench.scripted(script)))
        reader, writer = await bench.dial()
        writer.write(b"POST /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: 1000\r\n\r\nfirst part")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 401")
        assert await reader.readexactly(2) == b"no"
        writer.close()

    @scenario
    async def test_a_body_framed_wrongly_is_refused(self, bench: Bench) -> None:
        await bench.serve()
        reader, writer = await bench.dial()
        writer.write(b"POST /m/ HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"nonsense\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 400")
        writer.close()

    @scenario
    async def test_an_answer_that_breaks_off_is_not_taken_for_whole(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        with pytest.raises(aiohttp.ClientError):
            await bench.call()
        assert (await bench.record()).status == 502

    @pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Len"])
    @scenario
    async def test_a_model_that_does_not_speak_http(self, answer: bytes, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(answer)
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        reply = await bench.call()
        assert (reply.status, reply.code()) == (502, "replica-failed")

    @scenario
    async def test_a_body_without_length_ends_with_the_connection(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nsome bytes")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        assert (await bench.call()).body == b"some bytes"

    @scenario
    async def test_a_caller_that_leaves_ends_the_models_work_at_once(self, bench: Bench) -> None:
        began, cancelled = asyncio.Event(), asyncio.Event()

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            began.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return web.Response()

        await bench.serve(handler)
        _, writer = await bench.dial()
        writer.write(b"GET /m/ HTTP/1.1\r\nHost: g\r\n\r\n")
        await began.wait()
        writer.close()
        await asyncio.wait_for(cancelled.wait(), 1)
        assert (await bench.record()).status == 499

    @scenario
    async def test_a_caller_that_leaves_a_stream_ends_it_too(self, bench: Bench) -> None:
        cancelled = asyncio.Event()

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b"tick\n")
                    await asyncio.sleep(0.01)
            finally:
                cancelled.set()

        await bench.serve(handler)
        reader, writer = await bench.dial()
        writer.write(b"GET /m/ HTTP/1.1\r\nHost: g\r\n\r\n")
        await read_head(reader)
        writer.close()
        await asyncio.wait_for(cancelled.wait(), 1)
        assert (await bench.record()).status == 499


class TimeoutContract(EngineFixture):
    @scenario
    async def test_first_byte(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            await asyncio.sleep(60)
            return web.Response()

        await bench.serve(handler, timeouts=Timeouts(first_byte_s=0.2))
        reply = await bench.call()
        assert (reply.status, reply.code()) == (504, "timeout-first-byte")
        assert "0.2 s" in reply.json()["detail"]
        assert 0.2 <= (await bench.record()).total_s < 2

    @scenario
    async def test_first_byte_counts_from_the_end_of_the_upload(self, bench: Bench) -> None:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(6):
                yield b"x"
                await asyncio.sleep(0.1)

        await bench.serve(timeouts=Timeouts(first_byte_s=0.3, idle_s=5))
        assert (await bench.call(method="POST", body=parts())).status == 200

    @scenario
    async def test_idle_cuts_an_answer_that_has_begun(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(5):
                await response.write(b"x")
                await asyncio.sleep(0.15)
            await asyncio.sleep(60)
            return response

        await bench.serve(handler, timeouts=Timeouts(idle_s=0.4))
        with pytest.raises(aiohttp.ClientError):
            await bench.call()
        record = await bench.record()
        assert (record.status, record.bytes_out) == (504, 5)
        assert 1.0 <= record.total_s < 4

    @scenario
    async def test_idle_while_uploading(self, bench: Bench) -> None:
        await bench.serve(timeouts=Timeouts(idle_s=0.2))
        reader, writer = await bench.dial()
        writer.write(b"POST /m/ HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n\r\nabc")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 504")
        document = await reader.readuntil(b"}")
        assert b"timeout-idle" in document and b"0.2 s" in document
        writer.close()

    @scenario
    async def test_total(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            await asyncio.sleep(60)
            return web.Response()

        await bench.serve(handler, timeouts=Timeouts(total_s=0.25))
        reply = await bench.call()
        assert (reply.status, reply.code()) == (504, "timeout-total")
        assert "0.25 s" in reply.json()["detail"]

    @scenario
    async def test_total_cuts_a_lively_stream(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)

        await bench.serve(handler, timeouts=Timeouts(total_s=0.3, idle_s=0.2))
        with pytest.raises(aiohttp.ClientError):
            await bench.call()
        assert (await bench.record()).status == 504

    @scenario
    async def test_total_covers_the_wait_for_a_replica(self, bench: Bench) -> None:
        await bench.route(hold_s=30, timeouts=Timeouts(total_s=0.2))
        reply = await bench.call()
        assert (reply.status, reply.code()) == (504, "timeout-total")

    @scenario
    async def test_no_limit_is_no_limit(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            await asyncio.sleep(0.3)
            return web.Response(text="late")

        await bench.serve(handler, timeouts=Timeouts(0, 0, 0, 0))
        assert (await bench.call()).body == b"late"

    @scenario
    async def test_connect(self, bench: Bench) -> None:
        """A listener whose queue is full accepts nobody, as a host behind a firewall."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
            address = server.getsockname()
            with contextlib.ExitStack() as fillers:
                for _ in range(4):
                    filler = fillers.enter_context(socket.socket())
                    filler.setblocking(False)
                    filler.connect_ex(address)
                endpoint = Endpoint("r1", f"127.0.0.1:{address[1]}", 1)
                await bench.route(endpoint, timeouts=Timeouts(connect_s=0.2))
                reply = await bench.call()
        assert (reply.status, reply.code()) == (504, "timeout-connect")
        assert "0.2 s" in reply.json()["detail"]
        assert (await bench.record()).replica == ""


class WebSocketContract(EngineFixture):
    @scenario
    async def test_messages_subprotocol_and_close_code(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            ws = web.WebSocketResponse(protocols=("chat.v2", "chat.v1"))
            await ws.prepare(request)
            async for message in ws:
                if message.data == "bye":
                    await ws.close(code=4321, message=b"as you wish")
                elif message.type is WSMsgType.BINARY:
                    await ws.send_bytes(message.data[::-1])
                else:
                    await ws.send_str(message.data.upper())
            return ws

        await bench.serve(handler)
        url = f"ws://{bench.address}/m/socket?x=1"
        async with aiohttp.ClientSession() as session:
            ws = await session.ws_connect(url, protocols=("chat.v1", "chat.v0"), compress=15)
            assert ws.protocol == "chat.v1" and ws.compress
            await ws.send_str("hello")
            assert await ws.receive_str() == "HELLO"
            await ws.send_bytes(bytes(range(256)) * 8192)
            assert await ws.receive_bytes() == (bytes(range(256)) * 8192)[::-1]
            await ws.send_str("bye")
            closed = await ws.receive()
            assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4321, "as you wish")
            await ws.close()
        record = await bench.record()
        assert (record.status, record.replica) == (101, "r1")
        assert record.bytes_in > 0 and record.bytes_out > 0

    @scenario
    async def test_the_callers_close_code_reaches_the_model(self, bench: Bench) -> None:
        codes: asyncio.Queue[object] = asyncio.Queue()

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for _ in ws:
                pass
            codes.put_nowait(ws.close_code)
            return ws

        await bench.serve(handler)
        async with aiohttp.ClientSession() as session:
            ws = await session.ws_connect(f"ws://{bench.address}/m/")
            await ws.close(code=4999)
        assert await asyncio.wait_for(codes.get(), 5) == 4999
        assert (await bench.record()).status == 101

    @scenario
    async def test_the_model_may_speak_first_and_vanish(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await read_head(reader)
            assert b"\r\nupgrade: websocket\r\n" in head.lower() and b"\r\nconnection: upgrade\r\n" in head.lower()
            accept = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            head = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + accept
            writer.write(head + b"\r\n\x81\x02hi")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        raw = await bench.raw(
            b"GET /m/ HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert raw.endswith(b"\r\n\r\n\x81\x02hi") and b"\r\nupgrade: websocket\r\n" in raw.lower()
        assert (await bench.record()).status == 101

    @scenario
    async def test_a_refused_upgrade_is_an_answer_like_any_other(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=403, text="no sockets")

        await bench.serve(handler)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"ws://{bench.address}/m/")
        assert refused.value.status == 403

    @scenario
    async def test_silence_ends_a_socket_after_the_idle_limit(self, bench: Bench) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(message.data)
            return ws

        await bench.serve(handler, timeouts=Timeouts(idle_s=0.3))
        async with aiohttp.ClientSession() as session:
            ws = await session.ws_connect(f"ws://{bench.address}/m/")
            for _ in range(5):
                await asyncio.sleep(0.15)
                await ws.send_str("x")
                assert await ws.receive_str() == "x"
            assert (await asyncio.wait_for(ws.receive(), 5)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        record = await bench.record()
        assert record.status == 504 and record.total_s > 0.9

    @scenario
    async def test_a_flood_is_held_back(self, bench: Bench) -> None:
        sent = 0

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal sent
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            for _ in range(64):
                await ws.send_bytes(bytes(MIB))
                sent += 1
            await ws.close()
            return ws

        await bench.serve(handler)
        async with aiohttp.ClientSession() as session:
            ws = await session.ws_connect(f"ws://{bench.address}/m/", max_msg_size=0)
            before = -1
            while before != (now := sent):  # the caller reads nothing yet
                before = now
                await asyncio.sleep(0.1)
            assert sent < 40
            count = 0
            async for _ in ws:
                count += 1
        assert count == 64
        await soon(lambda: bench.records)
