"""Find a replica for a request, waiting for one if the route says so, and try another where it was never sent."""

from __future__ import annotations

import asyncio
import random
import time

from serai.domain.deployment import Access
from serai.domain.routes import Endpoint

from .balance import Loads, choose_endpoint
from .conversation import converse
from .exchange import Exchange
from .hold import HoldFull, Holds
from .keys import check_admitted, check_key
from .problems import Problem, make_not_ready, make_not_running, make_unavailable, make_unknown, read_version
from .relay import Unanswered
from .sending import Sender
from .targets import Target, Targets
from .timeouts import Limit, TimedOut
from .upstream import ConnectFailed, Pool, make_broken

# Replicas that all refused may be back before the table says so: while a request is held, they are tried again.
_RETRY_S = 0.5
# A request may be what replicas die of: it is repeated so often.
_REPEATS = 3


class Dispatcher:
    """Gives requests to replicas. `holds`, `loads` and `pool` are what it knows of them."""

    def __init__(self, targets: Targets, hold_limit: int) -> None:
        self._targets = targets
        self._random = random.Random()  # noqa: S311 - breaks ties, no secret
        self._loop = asyncio.get_running_loop()
        self.holds = Holds(hold_limit)
        self.loads = Loads()
        self.pool = Pool()

    async def dispatch(self, exchange: Exchange, target: Target) -> None:
        """Have `exchange` answered by a replica; raise Problem or TimedOut if none does."""
        exchange.version = read_version(exchange.request.headers.get("X-Serai-Version"))
        self._check_access(exchange, target)
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

    def _check_access(self, exchange: Exchange, target: Target) -> None:
        """Check the key, if one is needed; it is stripped from what the model gets."""
        exchange.is_keyed = target.route.access is Access.KEYS
        if exchange.is_admitted:
            exchange.rests_on = exchange.rests_on or target.route
            check_admitted(exchange.rests_on, target.route)
        elif exchange.is_keyed:
            authorization = exchange.request.headers.get("Authorization")
            grant = check_key(authorization, target.grants, time.time(), self._targets.is_key_known)
            exchange.key_id = grant.key_id

    async def _find_endpoint(self, exchange: Exchange, tried: set[Endpoint], refusal: Problem | None) -> Endpoint:
        """Return a replica that was not tried, held until there is one if the route says so; raise Problem."""
        while True:
            target = self._target(exchange)
            ready = target.endpoints(target.route.version if exchange.version is None else exchange.version)
            aside = self.loads.aside(self._loop.time())
            endpoint = choose_endpoint(ready, self.loads.in_flight, aside, tried, self._random.choice)
            if endpoint is not None:
                return endpoint
            await self._hold(exchange, target, refusal if ready else None)
            tried.clear()
            # The key may have been revoked, or access closed, while the request was held.
            self._check_access(exchange, self._target(exchange))

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
        if route.hold_s <= 0:
            raise refusal or make_not_ready(route.deployment, route.state, route.reason)
        until = exchange.started + route.hold_s
        left_s = max(0.0, until - self._loop.time())
        try:
            released = await self.holds.wait(route.deployment, min(left_s, _RETRY_S) if refusal else left_s)
        except HoldFull:
            detail = f"{route.deployment} has no replica, and as many requests as may be wait for one already"
            raise make_unavailable("hold-full", detail) from None
        if not released and self._loop.time() >= until:
            detail = f"{route.deployment} had no replica within {route.hold_s:g} s"
            raise refusal or make_unavailable("held-too-long", detail)


def _make_refusal(failure: ConnectFailed, connect_s: float) -> Problem:
    if failure.timed_out:
        return TimedOut(Limit.CONNECT, connect_s).problem()
    return Problem(502, "replica-unreachable", "every replica refused the connection", {"Retry-After": "1"})
