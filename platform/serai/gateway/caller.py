"""The caller's end of a request: what is written goes out as it is, and how its connection goes on."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from .problems import MIME_TYPE, Problem, phrase


class CallerLeft(Exception):
    """The caller's connection is gone."""


class Sent(web.StreamResponse):
    """Tells aiohttp's server that the answer is on the wire, and whether the connection may be used again."""

    def __init__(self, keep_alive: bool) -> None:
        super().__init__()
        self._may_go_on = keep_alive

    @property
    def keep_alive(self) -> bool | None:
        return self._may_go_on

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class Caller:
    """Writes an answer. `keep_alive` is as the caller asked until framing or `closing` demand otherwise."""

    __slots__ = ("_closing", "bytes_out", "has_head", "is_head_only", "keep_alive", "more", "request", "takes_chunks")

    def __init__(self, request: web.BaseRequest, closing: asyncio.Event) -> None:
        self.request = request
        self._closing = closing
        self.keep_alive = request.keep_alive
        self.takes_chunks = request.version >= HttpVersion11
        self.is_head_only = request.method == "HEAD"
        self.has_head = False
        self.bytes_out = 0
        self.more = b""  # header lines for whatever is answered

    def write(self, data: bytes) -> None:
        """Hand bytes to the connection; raise CallerLeft if it is closed."""
        transport = self.request.transport
        if transport is None or transport.is_closing():
            raise CallerLeft
        transport.write(data)

    async def drain(self) -> None:
        """Wait until the caller has taken most of what was written."""
        await self.request.writer.drain()

    def abort(self) -> None:
        """Cut the connection, so that an answer that broke off is not taken for a whole one."""
        self.keep_alive = False
        transport = self.request.transport
        if transport is not None:
            transport.abort()

    def connection_line(self) -> bytes:
        """Return the header line that HTTP demands for this caller, often none. Decides about the connection."""
        self.keep_alive = self.keep_alive and not self._closing.is_set()
        if not self.keep_alive:
            return b"Connection: close\r\n"
        return b"" if self.takes_chunks else b"Connection: keep-alive\r\n"

    def write_bodiless(self, status: int, lines: bytes, request_id: str) -> None:
        """Answer with header lines alone."""
        self.keep_alive = self.keep_alive and self.request.content.is_eof()
        begin = f"HTTP/1.1 {status} {phrase(status)}\r\nX-Request-Id: {request_id}\r\n".encode()
        self.has_head = True
        self.write(begin + lines + self.connection_line() + b"\r\n")

    def write_problem(self, problem: Problem, request_id: str) -> None:
        """Answer with a problem document."""
        # A caller whose body was not read yet may be waiting for leave to send it.
        self.keep_alive = self.keep_alive and self.request.content.is_eof()
        body = problem.body()
        lines = [
            f"HTTP/1.1 {problem.status} {phrase(problem.status)}",
            f"Content-Type: {MIME_TYPE}",
            f"Content-Length: {len(body)}",
            f"X-Request-Id: {request_id}",
            *(f"{name}: {value}" for name, value in problem.headers.items()),
        ]
        head = "\r\n".join(lines).encode() + b"\r\n" + self.more + self.connection_line() + b"\r\n"
        self.has_head = True
        self.write(head if self.is_head_only else head + body)
