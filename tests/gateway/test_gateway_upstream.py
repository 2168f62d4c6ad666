"""Kept connections are used only where they are known to be alive."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from serai.gateway.upstream import ConnectFailed, Gone, Pool, Upstream, connect
from tests.gateway.bench import soon


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Upstream, socket.socket, str]]:
    """Yield a connection, its other end as a bare socket that the loop knows nothing of, and the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        upstream = await connect(address, 1.0)
        peer, _ = server.accept()
        with peer:
            upstream.expect(head_only=False)
            try:
                yield upstream, peer, address
            finally:
                upstream.close()
                await asyncio.sleep(0)


def test_a_quiet_connection_is_kept() -> None:
    async def scenario() -> None:
        async with connected() as (upstream, _, address):
            pool = Pool(keep_s=1.5)
            pool.put(address, upstream, now=10.0)
            assert pool.take(address, now=11.0) is upstream
            assert pool.take(address, now=11.0) is None
            pool.close()

    asyncio.run(scenario())


def test_a_connection_closed_a_moment_ago_is_not_used() -> None:
    """Nothing is awaited after the close, so the loop cannot know of it yet."""

    async def scenario() -> None:
        async with connected() as (upstream, peer, address):
            pool = Pool()
            pool.put(address, upstream, now=10.0)
            peer.close()
            assert not upstream.should_close
            assert pool.take(address, now=10.0) is None

    asyncio.run(scenario())


def test_a_connection_that_says_something_unasked_is_not_used() -> None:
    async def scenario() -> None:
        async with connected() as (upstream, peer, address):
            pool = Pool()
            pool.put(address, upstream, now=10.0)
            peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            assert pool.take(address, now=10.0) is None

    asyncio.run(scenario())


def test_a_connection_grows_too_old() -> None:
    async def scenario() -> None:
        async with connected() as (upstream, _, address):
            pool = Pool(keep_s=1.5)
            pool.put(address, upstream, now=10.0)
            assert pool.take(address, now=11.6) is None

    asyncio.run(scenario())


def test_old_connections_are_closed_without_being_asked_for() -> None:
    async def scenario() -> None:
        async with connected() as (upstream, _, address):
            pool = Pool(keep_s=0.05)
            pool.put(address, upstream, asyncio.get_running_loop().time())
            await soon(lambda: upstream.transport is None)

    asyncio.run(scenario())


def test_connections_to_replicas_that_left_are_closed() -> None:
    async def scenario() -> None:
        async with connected() as (upstream, _, address):
            pool = Pool()
            pool.put(address, upstream, asyncio.get_running_loop().time())
            pool.keep_only({"other:1"})
            assert upstream.transport is None and pool.take(address, 0.0) is None
            pool.close()

    asyncio.run(scenario())


def test_nothing_is_written_to_a_closed_connection() -> None:
    async def scenario() -> None:
        async with connected() as (upstream, peer, _):
            peer.close()
            await soon(lambda: not upstream.connected)
            with pytest.raises(Gone):
                upstream.send(b"GET / HTTP/1.1\r\n\r\n")

    asyncio.run(scenario())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-port", "127.0.0.1:99999", "127.0.0.1:", "host name.invalid:80"])
def test_addresses_that_cannot_be_reached(address: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectFailed):
            await connect(address, 5.0)

    asyncio.run(scenario())
