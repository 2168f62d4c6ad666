"""Where HAProxy reaches this process: the sockets for requests that it hands over, and for its records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from serai.gateway.carrier import Carrier
from serai.gateway.entrance import HandedEntrance, RescueEntrance
from serai.gateway.sampling import Tracing

from .folder import RunFolder
from .reader import Records
from .render import HANDED_SOCKET, LOG_SOCKET, RESCUE_SOCKET

_BACKLOG = 1024


class Backstage:
    """Three servers on sockets of the folder."""

    def __init__(
        self, folder: RunFolder, carrier: Carrier, records: Records, domain: str, tracing: Tracing | None = None
    ) -> None:
        self._folder = folder
        self._records = records
        self._factories: dict[str, Callable[[], asyncio.BaseProtocol]] = {
            HANDED_SOCKET: carrier.make_listener(HandedEntrance(domain, tracing)),
            RESCUE_SOCKET: carrier.make_listener(RescueEntrance(domain, tracing)),
            LOG_SOCKET: records.connection,
        }
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        """Listen, also where an earlier process did."""
        loop = asyncio.get_running_loop()
        for name, factory in self._factories.items():
            path = self._folder.socket(name)
            Path(path).unlink(missing_ok=True)
            self._servers.append(await loop.create_unix_server(factory, path, backlog=_BACKLOG))
            Path(path).chmod(0o600)

    def refuse(self) -> None:
        """Take no more connections; those that are there go on."""
        for server in self._servers:
            server.close()

    def close(self) -> None:
        self.refuse()
        self._records.close()
