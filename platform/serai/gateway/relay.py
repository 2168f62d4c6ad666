"""Carry an answer from a replica to the caller, chunk by chunk as it comes."""

from __future__ import annotations

import asyncio

from aiohttp import ClientError, StreamReader
from aiohttp.http import HttpProcessingError, RawResponseMessage

from .cors import RESPONSE_HEADERS
from .exchange import Exchange
from .headers import pass_response
from .problems import Problem
from .sending import Sender
from .upstream import Answer, Upstream, make_broken

_BODILESS = frozenset({204, 304})


class Unanswered(Exception):
    """The replica closed the connection without a byte of an answer."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


async def await_answer(upstream: Upstream, sender: Sender) -> Answer:
    """Return the final head and the body of the answer; raise Problem, or Unanswered if nothing came."""
    try:
        answer = await upstream.read()
        while answer[0].code < 200 and answer[0].code != 101:
            if answer[0].code == 100:
                sender.allow_body()
            answer = await upstream.read()
    except HttpProcessingError as error:
        raise Problem(502, "replica-failed", "the replica's answer is not HTTP") from error
    except (ClientError, OSError) as error:
        if sender.problem is not None:
            raise sender.problem from error
        raise Unanswered(error) from error
    sender.answered()
    return answer


async def relay(exchange: Exchange, message: RawResponseMessage, body: StreamReader) -> None:
    """Write the answer to the caller; raise Problem if the replica breaks it off.

    What is at hand goes out at once and in one write with what precedes it; nothing waits for more to come.
    """
    caller, watch = exchange.caller, exchange.watch
    is_bodiless = caller.is_head_only or message.code in _BODILESS
    is_chunked = _settle_framing(exchange, message, is_bodiless)
    pending = make_head(exchange, message, is_chunked)
    if not (body.is_eof() or body.total_bytes):
        caller.has_head = True
        caller.write(pending)
        pending = b""
    while not is_bodiless and not body.at_eof():
        chunk = await _read(body)
        caller.bytes_out += len(chunk)
        pending += b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked and chunk else chunk
        if body.at_eof():
            break
        caller.has_head = True
        caller.write(pending)
        pending = b""
        watch.touch()
        await caller.drain()
        watch.touch()
    exchange.finish(message.code)
    caller.has_head = True
    caller.write(pending + (b"0\r\n\r\n" if is_chunked else b""))
    await caller.drain()


def make_head(exchange: Exchange, message: RawResponseMessage, is_chunked: bool) -> bytes:
    """Return the head of the answer: the model's own, and where it came from."""
    length = None if message.chunked else message.headers.get("Content-Length")
    lines = [
        b"HTTP/1.1 %d %b\r\n" % (message.code, message.reason.encode("utf-8", "surrogateescape")),
        *pass_response(message.raw_headers, RESPONSE_HEADERS if exchange.caller.more else frozenset()),
        exchange.caller.more,
        *provenance(exchange),
    ]
    if is_chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif length is not None and message.code != 204:
        lines.append(b"Content-Length: %b\r\n" % length.encode())
    lines.append(exchange.caller.connection_line())
    return b"".join(lines) + b"\r\n"


def provenance(exchange: Exchange) -> list[bytes]:
    """Return the header lines that say which version and replica answered, and under which id."""
    endpoint = exchange.endpoint
    lines = [b"X-Request-Id: %b\r\n" % exchange.request_id.encode()]
    if endpoint is not None:
        lines.append(b"X-Serai-Version: %d\r\nX-Serai-Replica: %b\r\n" % (endpoint.version, endpoint.replica.encode()))
    return lines


def _settle_framing(exchange: Exchange, message: RawResponseMessage, is_bodiless: bool) -> bool:
    """Return whether the answer goes out in chunks; a body without length ends with an old caller's connection."""
    has_length = not message.chunked and "Content-Length" in message.headers
    if is_bodiless or has_length:
        return False
    if not exchange.caller.takes_chunks:
        exchange.caller.keep_alive = False
    return exchange.caller.takes_chunks


async def _read(body: StreamReader) -> bytes:
    try:
        return await body.readany()
    except asyncio.CancelledError:
        raise
    except (ClientError, HttpProcessingError, OSError) as error:
        raise make_broken(error) from error
