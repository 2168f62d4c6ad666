"""Send a request to a replica: its head, and its body as it comes, never faster than the replica takes it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import ClientConnectionError, web
from aiohttp.web_protocol import RequestPayloadError

from serai.domain.routes import Endpoint

from .exchange import Exchange
from .headers import forward_lines, pass_request
from .problems import Problem
from .upstream import Gone, Upstream

# A model that does not know `Expect: 100-continue` stays silent; the caller's patience is about as long.
_CONTINUE_S = 1.0
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Sender:
    """Sends one request, more than once if need be as long as its whole body is at hand."""

    def __init__(self, exchange: Exchange) -> None:
        request = exchange.request
        self._exchange = exchange
        self._is_chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
        # Most bodies are here with the head: they go out in one write, and can go out again.
        self._body = request.content.read_nowait() if request.content.is_eof() else None
        self._expects = self._body is None and request.headers.get("Expect", "").lower() == "100-continue"
        self._may_send = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_answered = False
        self.problem: Problem | None = None
        exchange.bytes_in = len(self._body or b"")

    @property
    def is_repeatable(self) -> bool:
        """Whether the request may be sent again after a replica may have seen it."""
        return self._body is not None and self._exchange.request.method in _IDEMPOTENT

    @property
    def is_done(self) -> bool:
        """Whether all of the request was sent."""
        return self._task is None or (self._task.done() and not self._task.cancelled() and self.problem is None)

    def send(self, upstream: Upstream, endpoint: Endpoint) -> None:
        """Send the head, and the body or its stream; raise Gone if nothing was sent."""
        upstream.expect(head_only=self._exchange.caller.is_head_only)
        upstream.send(self._head(endpoint) + self._frame(self._body or b"") + self._end(self._body is not None))
        if self._body is None:
            self._exchange.watch.touch()
            self._task = asyncio.create_task(self._stream(upstream))
        else:
            self._exchange.watch.await_first_byte()

    def allow_body(self) -> None:
        """The replica said 100: let the caller send."""
        self._may_send.set()

    def answered(self) -> None:
        """The answer begins: from here on silence is what is watched."""
        self._is_answered = True
        self._exchange.watch.touch()

    async def stop(self) -> None:
        """End the stream of the body, wherever it is."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _stream(self, upstream: Upstream) -> None:
        """Copy the body. A caller that sends nonsense or leaves ends the connection to the replica."""
        try:
            if self._expects:
                await self._await_leave()
            await self._copy(upstream)
        except RequestPayloadError:
            self.problem = Problem(400, "bad-body", "the request's body broke off or is framed wrongly")
            upstream.abort()
        except (Gone, ClientConnectionError, ConnectionError):
            return  # whoever reads the answer learns it from there

    async def _copy(self, upstream: Upstream) -> None:
        exchange, content = self._exchange, self._exchange.request.content
        while chunk := await content.readany():
            upstream.send(self._frame(chunk))
            exchange.bytes_in += len(chunk)
            exchange.watch.touch()
            await upstream.drain()
        upstream.send(self._end(True))
        if not self._is_answered:
            exchange.watch.await_first_byte()

    async def _await_leave(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONTINUE_S):
                await self._may_send.wait()
        if not self._is_answered:
            self._exchange.caller.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _frame(self, chunk: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._is_chunked and chunk else chunk

    def _end(self, is_complete: bool) -> bytes:
        return b"0\r\n\r\n" if self._is_chunked and is_complete else b""

    def _head(self, endpoint: Endpoint) -> bytes:
        exchange, request = self._exchange, self._exchange.request
        host = request.headers.get("Host", "")
        target = exchange.destination.target.encode("utf-8", "surrogateescape")
        lines = [
            b"%b %b HTTP/1.1\r\n" % (request.method.encode(), target),
            b"Host: %b\r\n" % (host or endpoint.address).encode("utf-8", "surrogateescape"),
            *pass_request(request.raw_headers, _dropped(exchange)),
            *forward_lines(exchange.peer, exchange.scheme, host, exchange.destination.prefix),
            b"X-Request-Id: %b\r\n" % exchange.request_id.encode(),
            b"traceparent: %b\r\n" % exchange.trace.header,
            *self._framing(request),
            b"\r\n",
        ]
        return b"".join(lines)

    def _framing(self, request: web.BaseRequest) -> list[bytes]:
        length = request.headers.get("Content-Length")
        lines = [b"Expect: 100-continue\r\n"] if self._expects else []
        if self._is_chunked:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        elif length is not None:
            lines.append(b"Content-Length: %b\r\n" % length.encode())
        if wants_upgrade(request):
            lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % request.headers["Upgrade"].encode())
        return lines


def wants_upgrade(request: web.BaseRequest) -> bool:
    """Return whether the caller asks for WebSocket; other protocols are declined by leaving them out."""
    tokens = request.headers.get("Connection", "").lower().replace(" ", "").split(",")
    return "upgrade" in tokens and request.headers.get("Upgrade", "").lower() == "websocket"


def _dropped(exchange: Exchange) -> frozenset[bytes]:
    keyed = {b"authorization", exchange.key_header.encode()} if exchange.is_keyed else set()
    is_joined = exchange.trace.parent_id or exchange.is_admitted
    return frozenset(keyed if is_joined else keyed | {b"tracestate"})
