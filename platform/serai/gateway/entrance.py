"""How requests come in: from callers, or from an engine in front that has done a part of the work already."""

from __future__ import annotations

import secrets
from collections.abc import Container

from aiohttp import web

from .headers import values_of
from .routing import Destination, find_destination
from .sampling import Tracing
from .trace import Trace, derive_trace, read_trace

PEER_HEADER, SCHEME_HEADER = "X-Serai-Peer", "X-Serai-Scheme"


class Entrance:
    """Callers themselves: what a request says of its origin is not believed."""

    # Whether an engine in front has checked the key and written what the model is to be told.
    is_admitting = False

    def __init__(self, domain: str, tracing: Tracing | None = None) -> None:
        self._domain = domain
        self._share = 1.0 if tracing is None else tracing.share
        self.keep_span = None if tracing is None else tracing.keep

    def find(self, request: web.BaseRequest, known: Container[str]) -> Destination | None:
        return find_destination(request.raw_path, request.headers.get("Host", ""), self._domain, known)

    def peer(self, request: web.BaseRequest) -> str:
        return request.remote or ""

    def scheme(self, request: web.BaseRequest) -> str:
        return request.scheme

    def trace(self, request: web.BaseRequest) -> Trace:
        return derive_trace(values_of(request.raw_headers, b"traceparent"), secrets.token_hex, self._share)


class HandedEntrance(Entrance):
    """An engine in front that hands requests over as they came, and says whose they are."""

    def peer(self, request: web.BaseRequest) -> str:
        return request.headers.get(PEER_HEADER, "")

    def scheme(self, request: web.BaseRequest) -> str:
        return request.headers.get(SCHEME_HEADER, "http")


class RescueEntrance(Entrance):
    """An engine in front that had written a request for a replica when it found that none takes it."""

    is_admitting = True

    def find(self, request: web.BaseRequest, known: Container[str]) -> Destination | None:
        prefix = request.headers.get("X-Forwarded-Prefix", "")
        if prefix:
            name = prefix.removeprefix("/")
            return Destination(name, request.raw_path, prefix) if name in known else None
        return super().find(request, known)

    def peer(self, request: web.BaseRequest) -> str:
        return request.headers.get("X-Forwarded-For", "")

    def scheme(self, request: web.BaseRequest) -> str:
        return request.headers.get("X-Forwarded-Proto", "http")

    def trace(self, request: web.BaseRequest) -> Trace:
        """Return the trace that the engine in front has begun or joined: the span is this request's."""
        return read_trace(request.headers.get("traceparent", "")) or super().trace(request)
