"""One request on its way: where it goes, how far it has come, and the one record that it leaves behind."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from aiohttp import web

from serai.domain.deployment import Timeouts
from serai.domain.finished import FinishedRequest
from serai.domain.routes import Endpoint, Route

from .caller import Caller
from .entrance import Entrance
from .headers import is_sane_id
from .problems import Problem
from .record import RequestRecord
from .routing import Destination
from .sampling import make_finished
from .timeouts import Watch

Keep = Callable[[RequestRecord], None]


class Exchange:
    """State of a request. Clocks are loop time; `bytes_in` counts the body as it is sent to the replica."""

    def __init__(
        self,
        request: web.BaseRequest,
        destination: Destination,
        limits: Timeouts,
        keep: Keep,
        closing: asyncio.Event,
        entrance: Entrance,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._keep_span = entrance.keep_span
        self._is_kept = False
        self.started = self._loop.time()
        self.request = request
        self.caller = Caller(request, closing)
        self.destination = destination
        self.watch = Watch(limits, self.started, self._loop)
        self.peer, self.scheme = entrance.peer(request), entrance.scheme(request)
        self.trace = entrance.trace(request)
        # The key was checked before: it is not here any more. What it rests on is kept to be looked at again.
        self.is_admitted = entrance.is_admitting
        self.rests_on: Route | None = None
        self.request_id = choose_request_id(request, self.trace.trace_id)
        self.limits = limits
        self.version: int | None = None  # the one the caller insists on
        self.patience_s: float | None = None  # how long it waits at most, where it says so
        self.is_keyed = False
        self.key_header = ""  # may carry a key beside Authorization
        self.key_id = ""
        self.endpoint: Endpoint | None = None  # the one that was sent the request
        self.queue_s: float | None = None
        self.first_byte_s: float | None = None
        self.bytes_in = 0

    def found(self) -> None:
        """A replica was chosen: the wait for one is over."""
        self.queue_s = self._loop.time() - self.started

    def answered(self) -> None:
        """The head of an answer has come."""
        self.first_byte_s = self._loop.time() - self.started

    def finish(self, status: int, error: str = "") -> None:
        """Leave the record, once; `error` is the code of a problem that ends the request.

        It is called before the last byte goes out: a gateway that is killed must not have served what it has not
        counted.
        """
        if self._is_kept:
            return
        self._is_kept = True
        total_s = self._loop.time() - self.started
        endpoint, trace = self.endpoint, self.trace
        record = RequestRecord(
            time.time(),
            self.destination.deployment,
            endpoint.version if endpoint else 0,
            endpoint.replica if endpoint else "",
            status,
            total_s,
            self.first_byte_s,
            total_s if self.queue_s is None else self.queue_s,
            self.bytes_in,
            self.caller.bytes_out,
            trace.trace_id,
            trace.span_id,
            trace.parent_id,
            self.key_id,
        )
        self._keep(record)
        if self._keep_span is not None and trace.is_sampled:
            self._keep_span(self._make_finished(record, error))

    def _make_finished(self, record: RequestRecord, error: str) -> FinishedRequest:
        destination, version = self.destination, self.request.version
        path = destination.prefix + destination.target.partition("?")[0]
        protocol = f"{version.major}.{version.minor}"
        return make_finished(record, self.request.method, path, self.scheme, protocol, error)

    def fail(self, problem: Problem) -> None:
        """Answer with a problem, or cut an answer that has begun; raise CallerLeft if nobody is there."""
        self.finish(problem.status, problem.code)
        if self.caller.has_head:
            self.caller.abort()
        else:
            self.caller.write_problem(problem, self.request_id)


def choose_request_id(request: web.BaseRequest, trace_id: str = "") -> str:
    """Return the caller's X-Request-Id where it is sane, else the trace's id: one of them finds both."""
    sent = request.headers.get("X-Request-Id", "")
    return sent if is_sane_id(sent) else trace_id or secrets.token_hex(16)
