"""Carry an upgraded connection: bytes both ways, so that subprotocols, extensions and close codes are the model's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from aiohttp import ClientConnectionError, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawResponseMessage, WebSocketReader

from .caller import CallerLeft
from .exchange import Exchange
from .relay import make_head
from .upstream import Gone, Upstream

_BUFFER_BYTES = 65536
_SWITCHING = 101


class Feed:
    """Puts raw bytes of a connection into a bounded StreamReader, in the place of aiohttp's WebSocket parser."""

    def __init__(self, protocol: BaseProtocol) -> None:
        self.reader = StreamReader(protocol, _BUFFER_BYTES, loop=asyncio.get_running_loop())

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self.reader.feed_eof()


async def tunnel(exchange: Exchange, message: RawResponseMessage, upstream: Upstream) -> None:
    """Pass bytes until either side closes; both see what the other sent before it closed."""
    caller, watch = exchange.caller, exchange.watch
    head = make_upgrade_head(exchange, message)
    caller.keep_alive, caller.has_head = False, True
    caller.write(head)
    down, up = Feed(upstream), Feed(exchange.request.protocol)
    upstream.set_parser(down, down.reader)
    exchange.request.protocol.set_parser(cast(WebSocketReader, up))

    def to_caller(chunk: bytes) -> None:
        caller.write(chunk)
        caller.bytes_out += len(chunk)

    def to_replica(chunk: bytes) -> None:
        upstream.send(chunk)
        exchange.bytes_in += len(chunk)

    sending = asyncio.create_task(_pump(up.reader, to_replica, upstream.drain, watch.touch))
    try:
        await _pump(down.reader, to_caller, caller.drain, watch.touch)
    except asyncio.CancelledError:
        upstream.close()  # not abort: what the caller said last is on its way
        if exchange.request.transport is None:
            exchange.finish(_SWITCHING)  # the caller closed: how most of these end
        raise
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    exchange.finish(_SWITCHING)


def make_upgrade_head(exchange: Exchange, message: RawResponseMessage) -> bytes:
    """Return the head of the model's 101, which has to name the protocol again."""
    exchange.caller.keep_alive = True  # no `Connection: close` beside `Connection: Upgrade`
    head = make_head(exchange, message, is_chunked=False).removesuffix(b"\r\n")
    protocol = message.headers.get("Upgrade", "websocket").encode()
    return head + b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n" % protocol


async def _pump(
    reader: StreamReader,
    write: Callable[[bytes], None],
    drain: Callable[[], Awaitable[None]],
    touch: Callable[[], None],
) -> None:
    """Copy until the reader ends or the writer is gone."""
    with suppress(Gone, CallerLeft, ClientConnectionError, ConnectionError):
        while chunk := await reader.readany():
            write(chunk)
            touch()
            await drain()
