"""Find a replica for a request, waiting for one if the route says so, and try another where it was never sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from serai.domain.routes import Endpoint, Route
from serai.domain.traffic import Rate

from .admission import Admission
from .balance import Loads, choose_endpoint
from .conversation import converse
from .cors import is_preflight, preflight_lines
from .exchange import Exchange
from .hold import HoldFull, Holds
from .patience import HEADER as WAIT_HEADER
from .patience import read_wait, shorten
from .problems import (
    Problem,
    make_held_too_long,
    make_not_ready,
    make_not_running,
    make_queue_full,
    make_queue_timeout,
    make_unavailable,
    make_unknown,
    read_version,
)
from .relay import Unanswered
from .sending import Sender
from .targets import Target, Targets
from .timeouts import Limit, TimedOut
from .turns import LineFull, Turn, Turns, wait_turn
from .upstream import ConnectFailed, Pool, make_broken
from .waker import Wake, Waker

# Replicas that all refused may be back before the table says so: while a request is held, they are tried again.
_RETRY_S = 0.5
# A request may be what replicas die of: it is repeated so often.
_REPEATS = 3


class Dispatcher:
    """Gives requests to replicas. `holds`, `loads` and `pool` are what it knows of them."""

    def __init__(
        self, targets: Targets, hold_limit: int, wake: Wake | None = None, wrong_keys: Rate | None = None
    ) -> None:
        self._targets = targets
        self._random = random.Random()  # noqa: S311 - breaks ties, no secret
        self._loop = asyncio.get_running_loop()
        self.admission = Admission(targets, wrong_keys)
        self.holds = Holds(hold_limit)
        self.turns = Turns()
        self.loads = Loads()
        self.pool = Pool()
        self._waker = Waker(wake, self._is_wake_wanted)

    def release(self, deployments: list[str]) -> None:
        """Have those look again who wait for these deployments, whose routes are others now."""
        self.holds.release(deployments)
        self.turns.call(deployments)
        self._waker.settle(deployments)

    async def close(self) -> None:
        await self._waker.close()
        self.pool.close()

    async def dispatch(self, exchange: Exchange, target: Target) -> None:
        """Have `exchange` answered by a replica; raise Problem or TimedOut if none does."""
        request = exchange.request
        if target.route.cors.origins and is_preflight(request.method, request.raw_headers):
            return _answer_preflight(exchange, target.route)  # it shows no key, and is none of the model's business
        exchange.version = read_version(request.headers.get("X-Serai-Version"))
        exchange.patience_s = read_wait(request.headers.get(WAIT_HEADER))
        self.admission.check(exchange, target)
        self.admission.count(exchange, target)
        tried: set[Endpoint] = set()
        refusal: Problem | None = None
        sender: Sender | None = None
        repeats = 0
        while True:
            endpoint = await self._find_endpoint(exchange, tried, refusal)
            exchange.found()
            sender = sender or Sender(exchange)  # it takes the body over, so there is one for all tries
            self.loads.begin(endpoint)
            try:
                return await converse(exchange, sender, endpoint, self.pool)
            except ConnectFailed as failure:
                self.loads.set_aside(endpoint, self._loop.time())
                tried.add(endpoint)
                refusal = _make_refusal(failure, exchange.limits.connect_s)
            except Unanswered as failure:
                repeats += 1
                tried.add(endpoint)
                refusal = make_broken(failure.error)
                if repeats > _REPEATS:
                    raise refusal from failure
            finally:
                self.loads.end(endpoint)
                self.turns.call((exchange.destination.deployment,))

    async def _find_endpoint(self, exchange: Exchange, tried: set[Endpoint], refusal: Problem | None) -> Endpoint:
        """Return a replica that was not tried, waited for as the route says; raise Problem where there is none."""
        turn: Turn | None = None
        try:
            while True:
                target = self._target(exchange)
                ready = target.endpoints(target.route.version if exchange.version is None else exchange.version)
                endpoint = self._choose(exchange, target.route, ready, tried, turn)
                if endpoint is not None:
                    return endpoint
                if target.route.limits.concurrency and not tried.issuperset(ready):
                    turn = turn or self._join(exchange, target.route, len(ready))
                    await _await_turn(target.route, turn)
                else:
                    if turn is not None:
                        self.turns.leave(turn)
                        turn = None
                    await self._hold(exchange, target, refusal if ready else None)
                    tried.clear()
                # The key may have been revoked, or access closed, while the request waited.
                self.admission.check(exchange, self._target(exchange))
        finally:
            if turn is not None:
                self.turns.leave(turn)

    def _choose(
        self, exchange: Exchange, route: Route, ready: Sequence[Endpoint], tried: set[Endpoint], turn: Turn | None
    ) -> Endpoint | None:
        """Return a replica for the request now; where each has its limit, one with a place, if it is its turn."""
        in_flight, limit = self.loads.in_flight, route.limits.concurrency
        if limit:
            if not self.turns.is_next((route.deployment, exchange.version), turn):
                return None
            ready = [endpoint for endpoint in ready if in_flight.get(endpoint, 0) < limit]
        return choose_endpoint(ready, in_flight, self.loads.aside(self._loop.time()), tried, self._random.choice)

    def _join(self, exchange: Exchange, route: Route, replicas: int) -> Turn:
        """Return the request's place at the end of its line; raise Problem where too many wait."""
        limits, patience_s = route.limits, exchange.patience_s
        until = self._loop.time() + limits.queue_s
        if patience_s is not None:
            until = min(until, exchange.started + patience_s)
        try:
            return self.turns.join((route.deployment, exchange.version), limits.queue * replicas, until)
        except LineFull:
            raise make_queue_full(route.deployment, replicas, limits) from None

    def _target(self, exchange: Exchange) -> Target:
        target = self._targets.get(exchange.destination.deployment)
        if target is None:
            raise make_unknown()
        return target

    async def _hold(self, exchange: Exchange, target: Target, refusal: Problem | None) -> None:
        """Wait for another table; raise Problem if the request is not held, or no longer.

        `refusal` is the answer owed to replicas that are there and refused; they are tried again before long.
        """
        route = target.route
        if exchange.version not in (None, route.version):
            raise refusal or make_not_running(route.deployment, exchange.version)
        hold_s = shorten(route.hold_s, exchange.patience_s)
        if hold_s <= 0:
            raise refusal or make_not_ready(route.deployment, route.state, route.reason)
        if route.is_idle:
            self._waker.want(route.deployment)
        until = exchange.started + hold_s
        left_s = max(0.0, until - self._loop.time())
        try:
            released = await self.holds.wait(route.deployment, min(left_s, _RETRY_S) if refusal else left_s)
        except HoldFull:
            detail = f"{route.deployment} has no replica, and as many requests as may be wait for one already"
            raise make_unavailable("hold-full", detail) from None
        if not released and self._loop.time() >= until:
            trouble = self._waker.trouble(route.deployment)
            raise refusal or make_held_too_long(route.deployment, hold_s, trouble or route.reason)

    def _is_wake_wanted(self, deployment: str) -> bool:
        target = self._targets.get(deployment)
        return target is not None and target.route.is_idle and self.holds.count(deployment) > 0


async def _await_turn(route: Route, turn: Turn) -> None:
    """Wait until the request is to look for a place; raise Problem where that takes too long."""
    if not await wait_turn(turn):
        raise make_queue_timeout(route.deployment, route.limits)


def _answer_preflight(exchange: Exchange, route: Route) -> None:
    lines = preflight_lines(route, exchange.request.raw_headers)
    exchange.finish(204)
    exchange.caller.write_bodiless(204, lines, exchange.request_id)


def _make_refusal(failure: ConnectFailed, connect_s: float) -> Problem:
    if failure.timed_out:
        return TimedOut(Limit.CONNECT, connect_s).problem()
    return Problem(502, "replica-unreachable", "every replica refused the connection", {"Retry-After": "1"})
