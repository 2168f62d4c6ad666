"""Hold requests until their deployment has a replica: bounded in number per deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class HoldFull(Exception):
    """As many requests as may be are held already."""


class Holds:
    """Who waits for which deployment. One loop; a place is free again however its request ends."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def count(self, deployment: str) -> int:
        return len(self._waiting.get(deployment, ()))

    async def wait(self, deployment: str, timeout_s: float) -> bool:
        """Return True when the deployment's route changed, False after `timeout_s`; raise HoldFull at once."""
        waiting = self._waiting.setdefault(deployment, set())
        if len(waiting) >= self._limit:
            raise HoldFull(deployment)
        released = asyncio.get_running_loop().create_future()
        waiting.add(released)
        try:
            await asyncio.wait((released,), timeout=timeout_s)
        finally:
            self._leave(deployment, released)
        return released.done()

    def release(self, deployments: Iterable[str]) -> None:
        """Let those who wait for these deployments look again."""
        for deployment in deployments:
            for released in self._waiting.get(deployment, ()):
                if not released.done():
                    released.set_result(None)

    def _leave(self, deployment: str, released: asyncio.Future[None]) -> None:
        waiting = self._waiting[deployment]
        waiting.discard(released)
        if not waiting:
            del self._waiting[deployment]
