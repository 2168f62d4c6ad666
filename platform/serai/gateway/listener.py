"""The gateway's HTTP server: aiohttp's low-level one, silent about requests, answering nonsense with problems."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

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
# Instead of the versions of Python and aiohttp.
SERVER = {"Server": "serai"}


class Connection(web.RequestHandler):
    """One caller's connection."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and tell the request that reads its body if that cannot be read on.

        The parser queues its error like another request, which would leave the body waiting for ever. Nothing but an
        error can be queued while the body before it has not ended.
        """
        super().data_received(data)
        request = self._current_request
        if self._messages and request is not None and not request.content.is_eof():
            request.content.set_exception(RequestPayloadError("the body is framed wrongly"))

    def log_exception(self, *args: object, **named: object) -> None:
        """Log faults of the gateway; a body that broke off is none."""
        if not isinstance(named.get("exc_info"), RequestPayloadError):
            super().log_exception(*args, **named)

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
            reason = (message or "").strip().partition("\n")[0].rstrip(":")[:200]
            problem = Problem(400, "malformed", f"the request cannot be read: {reason or 'it is not HTTP/1.1'}")
        response = web.Response(status=problem.status, body=problem.body(), content_type=MIME_TYPE, headers=SERVER)
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
