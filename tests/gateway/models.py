"""Models that tests put behind a gateway: real servers on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with what arrived: method, target as it came, headers, and the body if it is short."""
    body = await request.read()
    seen = {
        "method": request.method,
        "target": request.raw_path,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
        "length": len(body),
        "body": body[:1000].decode("latin-1"),
    }
    return web.Response(body=json.dumps(seen).encode(), content_type="application/json")


class Port:
    """A port of 127.0.0.1 that is ours while nobody listens: it refuses, and can be listened at again and again."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.number}"

    def close(self) -> None:
        self._socket.close()


class Model:
    """A model that answers by `handler`; every request counts in `requests`."""

    def __init__(self, handler: Handler = echo, keepalive_s: float = 75.0) -> None:
        self.handler = handler
        self.requests = 0
        self.port = Port()
        self.address = self.port.address
        self._keepalive_s = keepalive_s
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None

    async def start(self) -> Model:
        self._web = web.Server(
            self._handle,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=self._keepalive_s,
            max_line_size=65536,
            max_field_size=65536,
        )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._web, "127.0.0.1", self.port.number, reuse_address=True)
        return self

    @property
    def connections(self) -> int:
        return len(self._web.connections) if self._web else 0

    async def close(self) -> None:
        await self.kill()
        self.port.close()

    async def kill(self) -> None:
        """End at once, connections and all, as a killed process does; `start` brings it back under its address."""
        if self._server is not None and self._web is not None:
            self._server.close()
            await self._web.shutdown(0.01)
            await self._server.wait_closed()
            self._server = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        return await self.handler(request)


class ScriptedModel:
    """A model that treats every connection as `script` says, byte by byte."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0
        self.address = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> ScriptedModel:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Return a head with its empty line."""
    return await reader.readuntil(b"\r\n\r\n")
