"""The engine that carries requests in this process: no program beside Python is needed."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from serai.domain.routes import RouteTable

from .dispatch import Dispatcher
from .engine import Engine, Health, Keep
from .listener import SERVER, Listener
from .proxy import Proxy
from .targets import Targets

_OWN = "/-/"
_BACKLOG = 1024
# Requests that are cut at the end get this long to tell their callers and replicas.
_CUT_S = 0.5


class AsyncioEngine(Engine):
    """Listens on host:port (0: a free port). Use it from one running loop."""

    name = "asyncio"

    def __init__(self, host: str, port: int, domain: str, keep: Keep, health: Health, hold_limit: int = 1000) -> None:
        self._host, self._port = host, port
        self._health = health
        self._targets = Targets()
        self._dispatcher = Dispatcher(self._targets, hold_limit)
        self._proxy = Proxy(self._targets, domain, keep, self._dispatcher)
        self._listener = Listener(self._handle, handler_cancellation=True)
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self._port

    @property
    def in_flight(self) -> int:
        return self._proxy.in_flight

    def leaving(self) -> frozenset[str]:
        busy = frozenset(endpoint.replica for endpoint in self._dispatcher.loads.in_flight)
        return busy - self._targets.replicas()

    def held(self, deployment: str) -> int:
        """Return how many requests wait for a replica of `deployment`."""
        return self._dispatcher.holds.count(deployment)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._listener, self._host, self._port, backlog=_BACKLOG)
        self._port = self._server.sockets[0].getsockname()[1]

    async def apply(self, table: RouteTable) -> None:
        changed = self._targets.apply(table)
        if changed:
            self._dispatcher.pool.keep_only(set(self._targets.addresses()))
            self._dispatcher.holds.release(changed)

    async def close(self, drain_s: float) -> None:
        if self._server is not None:
            self._server.close()
        await self._proxy.drain(drain_s)
        self._listener.pre_shutdown()
        await self._listener.shutdown(_CUT_S)
        self._dispatcher.pool.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(_OWN):
            return self._answer_own(request)
        return await self._proxy.handle(request)

    def _answer_own(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.partition("?")[0] != "/-/healthz":
            return web.Response(status=404, text="the gateway's own paths: /-/healthz\n", headers=SERVER)
        return web.Response(text=json.dumps(self._health()) + "\n", content_type="application/json", headers=SERVER)
