"""Take one request through, whatever happens: where it goes, how it ends, and that it leaves a record."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from aiohttp import web

from .caller import Caller, CallerLeft, Sent
from .cors import answer_lines
from .dispatch import Dispatcher
from .entrance import Entrance
from .exchange import Exchange, Keep, choose_request_id
from .problems import Problem, make_unknown
from .record import CLIENT_LEFT
from .routing import Destination
from .targets import Target, Targets
from .timeouts import TimedOut

log = logging.getLogger(__name__)

_CUT_SHORT = 503


class Proxy:
    """Answers requests by `targets`. One loop; nothing here blocks."""

    def __init__(self, targets: Targets, keep: Keep, dispatcher: Dispatcher) -> None:
        self._targets = targets
        self._keep = keep
        self._dispatcher = dispatcher
        self.in_flight = 0
        self._closing = asyncio.Event()
        self._idle = asyncio.Event()

    async def handle(self, request: web.BaseRequest, entrance: Entrance) -> Sent:
        """Answer `request` and return what aiohttp has to know about it."""
        destination = entrance.find(request, self._targets)
        target = self._targets.get(destination.deployment) if destination else None
        if destination is None or target is None:
            return self._answer_unknown(request)
        self.in_flight += 1
        try:
            return await self._answer(request, destination, target, entrance)
        finally:
            self.in_flight -= 1
            if self._closing.is_set() and not self.in_flight:
                self._idle.set()

    async def drain(self, timeout_s: float) -> None:
        """Close connections after their next answer; return when none is owed any more, or after `timeout_s`."""
        self._closing.set()
        if self.in_flight:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()

    async def _answer(
        self, request: web.BaseRequest, destination: Destination, target: Target, entrance: Entrance
    ) -> Sent:
        exchange = Exchange(request, destination, target.route.timeouts, self._keep, self._closing, entrance)
        caller = exchange.caller
        caller.more = answer_lines(target.route.cors, request.raw_headers)
        try:
            await self._carry(exchange, target)
        except (CallerLeft, ConnectionError):
            exchange.finish(CLIENT_LEFT)
            caller.keep_alive = False
        except asyncio.CancelledError:
            exchange.finish(_CUT_SHORT if self._closing.is_set() else CLIENT_LEFT)
            raise
        return Sent(caller.keep_alive)

    async def _carry(self, exchange: Exchange, target: Target) -> None:
        try:
            with exchange.watch:
                await self._dispatcher.dispatch(exchange, target)
        except TimedOut as passed:
            exchange.fail(passed.problem())
        except Problem as problem:
            exchange.fail(problem)
        except (CallerLeft, ConnectionError):
            raise
        except Exception:
            log.exception("a request of %s met a fault of the gateway", exchange.destination.deployment)
            exchange.fail(Problem(500, "internal", "the gateway met a fault of its own; its log has it"))

    def _answer_unknown(self, request: web.BaseRequest) -> Sent:
        """Answer a request that goes nowhere. It is not counted: anybody can make up names."""
        caller = Caller(request, self._closing)
        try:
            caller.write_problem(make_unknown(), choose_request_id(request))
        except CallerLeft:
            caller.keep_alive = False
        return Sent(caller.keep_alive)
