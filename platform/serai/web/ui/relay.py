"""Carry one request of the test page to the gateway and its answer back, piece by piece as it comes.

The answer travels in frames (`pack_frame`), as a body of its own: its headers reach the page before its first byte, and
an answer that breaks off can be told from one that is complete.

The browser cannot call the gateway itself: it is another origin, and models do not send CORS headers. No cookie and
no header of the browser is passed on, only what the page says.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import IO
from urllib.parse import urlsplit

from serai.domain.errors import SchedulerUnavailable

PIECE_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 5.0
# The gateway's own time-outs end a request much sooner; this one only frees the thread if the gateway hangs.
SILENCE_TIMEOUT_S = 3600.0


class Frame(Enum):
    """What a frame holds: status and headers as JSON, a piece of the body, or the end as JSON (with what broke)."""

    HEAD = b"h"
    PIECE = b"p"
    END = b"e"


def pack_frame(kind: Frame, data: bytes) -> bytes:
    """Return one byte of kind, four of length (big end first), and the data."""
    return kind.value + struct.pack(">I", len(data)) + data


@dataclass(frozen=True, slots=True)
class Question:
    """A request as the page asked for it. `target` begins with / and holds the query; `body` is read as it is sent."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: IO[bytes]
    body_bytes: int


class Exchange:
    """A request that was sent and whose answer is coming. `close` ends it from any thread, more than once too."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, took_s: float) -> None:
        self._connection = connection
        self._answer = answer
        self.first_byte_s = took_s
        self.status = answer.status
        self.reason = answer.reason
        self.headers = answer.getheaders()

    def frames(self, told: Mapping[str, object]) -> Iterator[bytes]:
        """Yield the answer as it arrives, the head with what else is `told` at once, and the end always."""
        head = {"status": self.status, "reason": self.reason, "headers": self.headers, "first_byte": self.first_byte_s}
        yield pack_frame(Frame.HEAD, json.dumps({**head, **told}).encode())
        broke = ""
        try:
            while piece := self._answer.read1(PIECE_BYTES):
                yield pack_frame(Frame.PIECE, piece)
        except (OSError, http.client.HTTPException, ValueError) as error:
            broke = str(error) or type(error).__name__
        finally:
            self.close()
        yield pack_frame(Frame.END, json.dumps({"broke": broke}).encode())

    def close(self) -> None:
        # Shutting down wakes a thread that is reading; closing alone would leave it there.
        with contextlib.suppress(OSError, AttributeError):
            self._connection.sock.shutdown(2)
        self._answer.close()
        self._connection.close()


class Exchanges:
    """The exchanges that go on, by the id that the page gave each, so that it can stop one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Exchange] = {}

    def add(self, id: str, exchange: Exchange) -> None:
        with self._lock:
            self._open[id] = exchange

    def remove(self, id: str) -> None:
        with self._lock:
            self._open.pop(id, None)

    def stop(self, id: str) -> bool:
        """End an exchange; return whether it was still going on."""
        with self._lock:
            exchange = self._open.pop(id, None)
        if exchange is not None:
            exchange.close()
        return exchange is not None


def send(gateway_url: str, question: Question) -> Exchange:
    """Send a request to the gateway and return once the answer's headers are there.

    Raise SchedulerUnavailable (code `gateway-unavailable`) where the gateway does not answer.
    """
    connection = _connect(gateway_url)
    began = time.monotonic()
    try:
        connection.putrequest(
            question.method, question.target, skip_accept_encoding=True, skip_host=_has_host(question)
        )
        for name, value in question.headers:
            connection.putheader(name, value)
        if question.body_bytes or question.method in {"POST", "PUT", "PATCH"}:
            connection.putheader("Content-Length", str(question.body_bytes))
        connection.endheaders()
        _send_body(connection, question)
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise SchedulerUnavailable(
            f"The gateway at {gateway_url} broke off before it answered ({error or type(error).__name__}).",
            "gateway-unavailable",
        ) from error
    return Exchange(connection, answer, time.monotonic() - began)


def _connect(gateway_url: str) -> http.client.HTTPConnection:
    parts = urlsplit(gateway_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=CONNECT_TIMEOUT_S)
    try:
        connection.connect()
    except OSError as error:
        connection.close()
        raise SchedulerUnavailable(
            f"The gateway at {gateway_url} does not answer ({error.strerror or error}). Is `serai gateway` running?",
            "gateway-unavailable",
        ) from error
    connection.sock.settimeout(SILENCE_TIMEOUT_S)
    return connection


def _has_host(question: Question) -> bool:
    return any(name.lower() == "host" for name, _ in question.headers)


def _send_body(connection: http.client.HTTPConnection, question: Question) -> None:
    left = question.body_bytes
    while left > 0:
        piece = question.body.read(min(PIECE_BYTES, left))
        if not piece:
            raise http.client.IncompleteRead(b"", left)
        connection.send(piece)
        left -= len(piece)
