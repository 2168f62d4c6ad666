"""The engine that carries requests in this process: no program beside Python is needed."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

from serai.domain.routes import RouteTable
from serai.domain.traffic import Rate

from .carrier import Carrier
from .certificate import Certificate, make_context, present
from .engine import Engine, Health, Keep, TlsPlace
from .entrance import Entrance
from .rates import WRONG_KEYS
from .sampling import Tracing
from .waker import Wake

_BACKLOG = 1024
_HANDSHAKE_S = 10.0


class AsyncioEngine(Engine):
    """Listens on host:port (0: a free port). Use it from one running loop."""

    name = "asyncio"

    def __init__(
        self,
        host: str,
        port: int,
        domain: str,
        keep: Keep,
        health: Health,
        hold_limit: int = 1000,
        tls: TlsPlace | None = None,
        wake: Wake | None = None,
        wrong_keys: Rate | None = WRONG_KEYS,
        tracing: Tracing | None = None,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._context: ssl.SSLContext | None = None
        self._carrier = Carrier(keep, health, hold_limit, wake, wrong_keys)
        self._listener = self._carrier.make_listener(Entrance(domain, tracing))
        self._servers: list[asyncio.Server] = []

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self._port

    @property
    def tls_address(self) -> tuple[str, int] | None:
        return (self._tls.host, self._tls.port) if self._tls else None

    @property
    def in_flight(self) -> int:
        return self._carrier.in_flight

    def leaving(self) -> frozenset[str]:
        return self._carrier.leaving()

    def held(self, deployment: str) -> int:
        """Return how many requests wait for a replica of `deployment`."""
        return self._carrier.held(deployment)

    async def start(self) -> None:
        self._port = await self._listen(self._host, self._port)
        if self._tls is not None:
            try:
                await self._start_tls(self._tls)
            except OSError:
                self._servers[0].close()
                raise

    async def apply(self, table: RouteTable) -> None:
        self._carrier.apply(table)

    async def trust_keys(self, is_trusting: bool) -> None:
        self._carrier.trust_keys(is_trusting)

    async def present(self, certificate: Certificate) -> None:
        if self._context is not None:
            present(self._context, certificate.pem)

    async def close(self, drain_s: float) -> None:
        for server in self._servers:
            server.close()
        await self._carrier.close(drain_s)

    async def _start_tls(self, tls: TlsPlace) -> None:
        self._context = make_context(tls.certificate.pem)
        self._tls = replace(tls, port=await self._listen(tls.host, tls.port, self._context))

    async def _listen(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Take connections there and return the port."""
        timeout_s = _HANDSHAKE_S if context else None
        server = await asyncio.get_running_loop().create_server(
            self._listener, host, port, backlog=_BACKLOG, ssl=context, ssl_handshake_timeout=timeout_s
        )
        self._servers.append(server)
        taken: int = server.sockets[0].getsockname()[1]
        return taken
