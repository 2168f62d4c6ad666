"""One request and one replica: send, await the answer, carry it, and leave the connection fit for the next."""

from __future__ import annotations

import asyncio

from serai.domain.routes import Endpoint

from .exchange import Exchange
from .problems import Problem
from .relay import Unanswered, await_answer, relay
from .sending import Sender, wants_upgrade
from .upstream import ConnectFailed, Gone, Pool, Upstream, connect, make_broken
from .websocket import tunnel

_SWITCHING = 101


async def converse(exchange: Exchange, sender: Sender, endpoint: Endpoint, pool: Pool) -> None:
    """Have a replica answer; raise ConnectFailed if it got nothing of the request, Problem if it gave no answer.

    Unanswered if it gave none to a request that may be repeated, here or elsewhere.

    A kept connection that turns out to be closed is replaced by a fresh one where nothing could be written to it, or
    where the request may be repeated: its body is at hand and its method idempotent. Anything else could make the
    model do something twice.
    """
    kept = pool.take(endpoint.address, asyncio.get_running_loop().time())
    if kept is not None:
        try:
            return await _converse_over(kept, exchange, endpoint, pool, sender)
        except Gone:
            pass
        except Unanswered as failure:
            if not sender.is_repeatable:
                raise make_broken(failure.error) from failure
    exchange.watch.rest()
    fresh = await connect(endpoint.address, exchange.limits.connect_s)
    try:
        return await _converse_over(fresh, exchange, endpoint, pool, sender)
    except Gone:
        raise ConnectFailed(timed_out=False) from None
    except Unanswered as failure:
        if sender.is_repeatable:
            raise
        raise make_broken(failure.error) from failure


async def _converse_over(
    upstream: Upstream, exchange: Exchange, endpoint: Endpoint, pool: Pool, sender: Sender
) -> None:
    is_over = False
    try:
        sender.send(upstream, endpoint)
        exchange.endpoint = endpoint
        message, body = await await_answer(upstream, sender)
        exchange.answered()
        if message.code != _SWITCHING:
            await relay(exchange, message, body)
        elif wants_upgrade(exchange.request):
            await tunnel(exchange, message, upstream)
        else:
            raise Problem(502, "replica-failed", "the replica switched protocols without being asked")
        is_over = sender.is_done
    finally:
        await sender.stop()
        if is_over:
            pool.put(endpoint.address, upstream, asyncio.get_running_loop().time())
        else:
            upstream.abort()
