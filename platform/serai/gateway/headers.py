"""Which headers cross the gateway, as raw bytes: names, order and values of the others stay as they were sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[bytes, bytes]]

SESSION_COOKIE = b"serai_session"

# RFC 9110 7.6.1: these speak of one connection only.
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# Written anew by the gateway, from what it knows itself.
_REWRITTEN = frozenset(
    (
        b"host",
        b"content-length",
        b"expect",
        b"forwarded",
        b"traceparent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-request-id",
    )
)
_REQUEST_DROPPED = _HOP_BY_HOP | _REWRITTEN
_RESPONSE_DROPPED = _HOP_BY_HOP | {b"content-length", b"x-request-id"}
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def pass_request(headers: Headers, dropped: frozenset[bytes]) -> list[bytes]:
    """Return the header lines to send on: without hop-by-hop, ours, `dropped` (lower case) and the session cookie."""
    gone = _REQUEST_DROPPED | dropped | _nominated(headers)
    lines = []
    for name, value in headers:
        low = name.lower()
        if low in gone or low.startswith(b"x-serai-"):
            continue
        kept = strip_session(value) if low == b"cookie" else value
        if kept or low != b"cookie":
            lines.append(b"%b: %b\r\n" % (name, kept))
    return lines


def pass_response(headers: Headers, dropped: frozenset[bytes] = frozenset()) -> list[bytes]:
    """Return the header lines to send back: a model sets neither our headers nor our session cookie, nor `dropped`."""
    gone = _RESPONSE_DROPPED | dropped | _nominated(headers)
    lines = []
    for name, value in headers:
        low = name.lower()
        if low in gone or low.startswith(b"x-serai-") or (low == b"set-cookie" and _is_session(value)):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    return lines


def strip_session(cookies: bytes) -> bytes:
    """Return a Cookie value without the server's session: a model must never see it."""
    if SESSION_COOKIE not in cookies:
        return cookies
    return b"; ".join(part.strip() for part in cookies.split(b";") if part.strip() and not _is_session(part))


def forward_lines(peer: str, scheme: str, host: str, prefix: str) -> list[bytes]:
    """Return what the model is told of its caller; what the caller claimed about itself is not believed."""
    lines = [b"X-Forwarded-For: %b\r\n" % peer.encode(), b"X-Forwarded-Proto: %b\r\n" % scheme.encode()]
    if host:
        lines.append(b"X-Forwarded-Host: %b\r\n" % host.encode("utf-8", "surrogateescape"))
    if prefix:
        lines.append(b"X-Forwarded-Prefix: %b\r\n" % prefix.encode())
    return lines


def values_of(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of a header; `name` in lower case."""
    return [value for key, value in headers if key.lower() == name]


def is_sane_id(value: str) -> bool:
    """Return whether a caller's X-Request-Id may be passed on and shown."""
    return _SANE_ID.fullmatch(value) is not None


def _is_session(cookie: bytes) -> bool:
    return cookie.partition(b"=")[0].strip() == SESSION_COOKIE


def _nominated(headers: Headers) -> frozenset[bytes]:
    """Return the names that the Connection header declares to be hop-by-hop."""
    tokens: Iterable[bytes] = (
        token.strip().lower() for value in values_of(headers, b"connection") for token in value.split(b",")
    )
    return frozenset(tokens)
