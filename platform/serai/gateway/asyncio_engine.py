"""The engine that carries requests in this process: no program beside Python is needed."""

from __future__ import annotations

import asyncio

from serai.domain.routes import RouteTable

from .carrier import Carrier
from .engine import Engine, Health, Keep
from .entrance import Entrance

_BACKLOG = 1024


class AsyncioEngine(Engine):
    """Listens on host:port (0: a free port). Use it from one running loop."""

    name = "asyncio"

    def __init__(self, host: str, port: int, domain: str, keep: Keep, health: Health, hold_limit: int = 1000) -> None:
        self._host, self._port = host, port
        self._carrier = Carrier(keep, health, hold_limit)
        self._listener = self._carrier.make_listener(Entrance(domain))
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self._port

    @property
    def in_flight(self) -> int:
        return self._carrier.in_flight

    def leaving(self) -> frozenset[str]:
        return self._carrier.leaving()

    def held(self, deployment: str) -> int:
        """Return how many requests wait for a replica of `deployment`."""
        return self._carrier.held(deployment)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._listener, self._host, self._port, backlog=_BACKLOG)
        self._port = self._server.sockets[0].getsockname()[1]

    async def apply(self, table: RouteTable) -> None:
        self._carrier.apply(table)

    async def close(self, drain_s: float) -> None:
        if self._server is not None:
            self._server.close()
        await self._carrier.close(drain_s)
