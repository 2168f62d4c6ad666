"""Decide whether a request may come in: its key, how often its key and its client call, and what keys are worth now."""

from __future__ import annotations

import asyncio
import time

from serai.domain.deployment import Access
from serai.domain.traffic import Rate

from .exchange import Exchange
from .keys import WrongKey, check_admitted, check_key, find_key, make_outdated
from .rates import Rates, group_client
from .targets import Target, Targets


class Admission:
    """`is_trusting` is whether the table's keys may still be gone by. One loop."""

    def __init__(self, targets: Targets, wrong_keys: Rate | None) -> None:
        self._targets = targets
        self._wrong_keys = wrong_keys
        self._loop = asyncio.get_running_loop()
        self._rates = Rates()
        self.is_trusting = True

    def check(self, exchange: Exchange, target: Target) -> None:
        """Check the key, if one is needed; it is stripped from what the model gets. Raise Problem."""
        route = target.route
        exchange.is_keyed, exchange.key_header = route.access is Access.KEYS, route.key_header
        if exchange.is_keyed and not self.is_trusting:
            raise make_outdated()
        if exchange.is_admitted:
            exchange.rests_on = exchange.rests_on or route
            check_admitted(exchange.rests_on, route)
        elif exchange.is_keyed:
            key = find_key(exchange.request.raw_headers, route.key_header)
            try:
                grant = check_key(key, route, target.grants, time.time(), self._targets.is_key_known)
            except WrongKey:
                if self._wrong_keys is not None:
                    self._rates.punish(group_client(exchange.peer), self._wrong_keys, self._loop.time())
                raise
            exchange.key_id = grant.key_id

    def count(self, exchange: Exchange, target: Target) -> None:
        """Count a checked request against the limits, once; raise Problem 429. A rescued one is counted in front."""
        limits = target.route.limits
        if exchange.is_admitted or not (limits.per_key or limits.per_client):
            return
        client = group_client(exchange.peer) if limits.per_client else ""
        self._rates.admit(exchange.destination.deployment, limits, exchange.key_id, client, self._loop.time())
