"""The gateway's HTTP server: aiohttp's low-level one, silent about requests, answering nonsense with problems."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.http import HttpProcessingError

from .problems import MIME_TYPE, Problem

log = logging.getLogger(__name__)

LINE_LIMIT_BYTES = 16384
FIELD_LIMIT_BYTES = 16384
FIELDS_LIMIT = 200
# Idle connections, and heads that never end, are closed after this.
KEEP_ALIVE_S = 75.0
# A caller that is still sending when it is refused gets this long to read why.
LINGER_S = 5.0
_READ_BYTES = 65536


class Connection(web.RequestHandler):
    """One caller's connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed; anybody can send that, so it is not logged."""
        if not isinstance(exc, HttpProcessingError):
            log.error("a connection met a fault of the gateway", exc_info=exc)
            problem = Problem(500, "internal", "the gateway met a fault of its own; its log has it")
        else:
            reason = " ".join((message or "").split()[:12])
            problem = Problem(400, "malformed", f"the request is not HTTP/1.1 as the gateway takes it: {reason}")
        response = web.Response(status=problem.status, body=problem.body(), content_type=MIME_TYPE)
        response.force_close()
        return response


class Listener(web.Server):
    """Makes a Connection for each caller; a caller that leaves cancels its request."""

    def __call__(self) -> web.RequestHandler:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=LINE_LIMIT_BYTES,
            max_field_size=FIELD_LIMIT_BYTES,
            max_headers=FIELDS_LIMIT,
            read_bufsize=_READ_BYTES,
        )
