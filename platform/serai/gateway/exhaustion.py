"""Say once, not a thousand times a second, that no more connections can be accepted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)

_SAY_EVERY_S = 10.0


class ExhaustionHandler:
    """An exception handler for a loop: asyncio tries to accept as often as its backlog is long, and says so each time.

    It begins to accept again by itself, a second later: for servers that are closed by then, too, which is no matter.
    """

    def __init__(self) -> None:
        self._said_at = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "_start_serving" in repr(context.get("handle")):
            return
        if not isinstance(context.get("exception"), OSError) or "accept" not in str(context.get("message")):
            loop.default_exception_handler(context)
        elif loop.time() > self._said_at + _SAY_EVERY_S:
            self._said_at = loop.time()
            log.error("callers wait: %s; raise the limit of open files (ulimit -n)", context["exception"])
