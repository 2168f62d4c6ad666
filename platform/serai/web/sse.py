"""Server-sent events: messages, heartbeats, and an end when the caller goes or the server closes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response, request

from serai.domain.errors import NotFound, SeraiError

from .blocking import IsGone
from .endpoint import Call
from .waits import is_gone

log = logging.getLogger(__name__)

MIME_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """One event. `id` is what a broken caller comes back with as Last-Event-ID."""

    data: object
    id: str = ""
    kind: str = ""

    def encode(self) -> bytes:
        kind = f"event: {self.kind}\n" if self.kind else ""
        id = f"id: {self.id}\n" if self.id else ""
        return f"{kind}{id}data: {json.dumps(self.data)}\n\n".encode()


END = Message({}, kind="end")


def make_stream(call: Call, messages: Iterator[Message | None]) -> Response:
    """Return a response that goes on as long as `messages` does; None is a moment without news.

    `messages` has to yield at least once a second. Raise CapacityExceeded where too many streams are open.
    """
    leave = call.waiting.enter_stream()
    response = Response(_encode(call, messages, is_gone_now=is_gone()), mimetype=MIME_TYPE)
    response.call_on_close(leave)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def last_event_id() -> str | None:
    """Return where a caller that was cut off wants to go on."""
    return request.headers.get("Last-Event-ID") or None


def _encode(call: Call, messages: Iterator[Message | None], is_gone_now: IsGone) -> Iterator[bytes]:
    yield b": hello\n\n"  # the headers leave at once, before there is any news
    quiet_since_s = time.monotonic()
    for message in _until_error(messages):
        if call.waiting.closing.is_set() or is_gone_now():
            return
        if message is not None:
            yield message.encode()
        elif time.monotonic() - quiet_since_s < HEARTBEAT_S:
            continue
        else:
            yield b": still here\n\n"
        quiet_since_s = time.monotonic()


def _until_error(messages: Iterator[Message | None]) -> Iterator[Message | None]:
    """Yield messages until what they are about is gone, which is an end, or fails, which cuts off: come back later."""
    try:
        yield from messages
    except NotFound:
        yield END
    except SeraiError as error:
        log.warning("a stream was cut off: %s", error.message)
