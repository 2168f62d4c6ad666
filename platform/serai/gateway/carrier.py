"""Carries requests in this process: what the asyncio engine is made of, and what other engines hand requests to."""

from __future__ import annotations

import functools
import json

from aiohttp import web

from serai.domain.routes import RouteTable
from serai.domain.traffic import Rate

from .dispatch import Dispatcher
from .engine import Health, Keep
from .entrance import Entrance
from .listener import SERVER, Listener
from .proxy import Proxy
from .targets import Targets
from .waker import Wake

_OWN = "/-/"
# Requests that are cut at the end get this long to tell their callers and replicas.
_CUT_S = 0.5


class Carrier:
    """Takes connections by the listeners that it makes. Use it from one running loop."""

    def __init__(
        self, keep: Keep, health: Health, hold_limit: int, wake: Wake | None = None, wrong_keys: Rate | None = None
    ) -> None:
        self._health = health
        self._targets = Targets()
        self._dispatcher = Dispatcher(self._targets, hold_limit, wake, wrong_keys)
        self._proxy = Proxy(self._targets, keep, self._dispatcher)
        self._listeners: list[Listener] = []

    @property
    def in_flight(self) -> int:
        return self._proxy.in_flight

    def leaving(self) -> frozenset[str]:
        busy = frozenset(endpoint.replica for endpoint in self._dispatcher.loads.in_flight)
        return busy - self._targets.replicas()

    def held(self, deployment: str) -> int:
        """Return how many requests wait for a replica of `deployment`."""
        return self._dispatcher.holds.count(deployment)

    def queued(self, deployment: str) -> int:
        """Return how many requests wait for a replica of `deployment` that is less busy."""
        return self._dispatcher.turns.count(deployment)

    def make_listener(self, entrance: Entrance) -> Listener:
        """Return a protocol factory for a server whose requests come in by `entrance`."""
        listener = Listener(functools.partial(self._handle, entrance), handler_cancellation=True)
        self._listeners.append(listener)
        return listener

    def trust_keys(self, is_trusting: bool) -> None:
        """Go by the table's keys, or answer keyed requests 503."""
        self._dispatcher.admission.is_trusting = is_trusting

    def apply(self, table: RouteTable) -> list[str]:
        """Take the table, and return the names of the deployments whose route is another, or gone."""
        changed = self._targets.apply(table)
        if changed:
            self._dispatcher.pool.keep_only(set(self._targets.addresses()))
            self._dispatcher.release(changed)
        return changed

    async def close(self, drain_s: float) -> None:
        """Wait up to `drain_s` for what is in flight, then cut what is left."""
        await self._proxy.drain(drain_s)
        for listener in self._listeners:
            listener.pre_shutdown()
        for listener in self._listeners:
            await listener.shutdown(_CUT_S)
        await self._dispatcher.close()

    async def _handle(self, entrance: Entrance, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(_OWN) and not entrance.is_admitting:
            return self._answer_own(request)
        return await self._proxy.handle(request, entrance)

    def _answer_own(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.partition("?")[0] != "/-/healthz":
            return web.Response(status=404, text="the gateway's own paths: /-/healthz\n", headers=SERVER)
        return web.Response(text=json.dumps(self._health()) + "\n", content_type="application/json", headers=SERVER)
