"""Connections to replicas, and the few that are kept open for the next request."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Collection

from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from .problems import Problem

# Models may answer with more than callers may ask with.
_LINE_LIMIT_BYTES = 65536
_HEADERS_LIMIT = 1000
_READ_BYTES = 65536

Answer = tuple[RawResponseMessage, StreamReader]


class ConnectFailed(Exception):
    """No connection: nothing was sent. `timed_out` tells a silent replica from one that refused."""

    def __init__(self, timed_out: bool) -> None:
        super().__init__("timed out" if timed_out else "refused")
        self.timed_out = timed_out


class Gone(Exception):
    """The connection was closed before anything could be written to it."""


class Upstream(ResponseHandler):
    """One connection to a replica: aiohttp's protocol and parser, without its session.

    The session would retry, follow, decompress and rewrite targets on its own; a gateway has to know exactly whether
    a byte was written and pass everything on as it is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.idle_since = 0.0

    def expect(self, head_only: bool) -> None:
        """Prepare for the answer to one request; `head_only` for HEAD."""
        self.set_response_params(
            skip_payload=head_only,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            max_line_size=_LINE_LIMIT_BYTES,
            max_field_size=_LINE_LIMIT_BYTES,
            max_headers=_HEADERS_LIMIT,
        )

    def send(self, data: bytes) -> None:
        """Write; raise Gone if the connection is known to be closed, in which case nothing was sent."""
        if self.transport is None or self.transport.is_closing():
            raise Gone
        self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the replica takes more."""
        if self.writing_paused:
            await self._drain_helper()

    def is_reusable(self) -> bool:
        """Return whether the last exchange ended where both sides know it, and nothing came since.

        The look at the socket finds a connection that the replica closed a moment ago, which the loop has not read
        yet: a request written to it would be lost.
        """
        if self.should_close or self.transport is None or self.transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)


async def connect(address: str, timeout_s: float) -> Upstream:
    """Return a new connection to `host:port`; raise ConnectFailed. A timeout of 0 leaves it to the system."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(timeout_s or None):
            _, upstream = await loop.create_connection(lambda: Upstream(loop), host.strip("[]"), int(port))
    except TimeoutError as error:
        raise ConnectFailed(timed_out=True) from error
    except (OSError, ValueError, OverflowError) as error:
        raise ConnectFailed(timed_out=False) from error
    return upstream


class Pool:
    """Open connections between two requests, the latest used first.

    They are kept for less than the shortest keep-alive time among common model servers (gunicorn: 2 s), so that the
    replica is not the one who closes: a request written at that moment could be neither trusted nor repeated.
    """

    def __init__(self, keep_s: float = 1.5, limit: int = 128) -> None:
        self._keep_s = keep_s
        self._limit = limit
        self._idle: dict[str, list[Upstream]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def take(self, address: str, now: float) -> Upstream | None:
        """Return a connection that is open and quiet, or None."""
        idle = self._idle.get(address, [])
        while idle:
            upstream = idle.pop()
            if now - upstream.idle_since < self._keep_s and upstream.is_reusable():
                return upstream
            upstream.close()
        return None

    def put(self, address: str, upstream: Upstream, now: float) -> None:
        """Keep a connection for the next request, or close it."""
        idle = self._idle.setdefault(address, [])
        if upstream.should_close or len(idle) >= self._limit:
            upstream.close()
            return
        upstream.idle_since = now
        idle.append(upstream)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._keep_s, self._sweep)

    def keep_only(self, addresses: Collection[str]) -> None:
        """Close what is kept for any other address."""
        for address in self._idle.keys() - set(addresses):
            for upstream in self._idle.pop(address):
                upstream.close()

    def close(self) -> None:
        self.keep_only(())
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._keep_s
        for address, idle in list(self._idle.items()):
            kept = [upstream for upstream in idle if upstream.idle_since > oldest and not upstream.should_close]
            for upstream in set(idle).difference(kept):
                upstream.close()
            if kept:
                self._idle[address] = kept
            else:
                del self._idle[address]
        self._sweeper = loop.call_later(self._keep_s, self._sweep) if self._idle else None


def make_broken(error: BaseException) -> Problem:
    """Return the answer for a replica that took the request and gave none; it may have acted on it."""
    kind = type(error).__name__
    return Problem(502, "replica-failed", f"the replica ended the connection without an answer ({kind})")
