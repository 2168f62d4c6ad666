"""What browsers are told of which pages may call a deployment (CORS, https://fetch.spec.whatwg.org). Pure.

Where the route names no origins all of this is the model's own business, and nothing here is asked.
"""

from __future__ import annotations

from serai.domain.deployment import Access
from serai.domain.routes import Route
from serai.domain.traffic import Cors

from .headers import Headers, values_of
from .problems import Problem

# Of the model's own answer: two voices would contradict each other.
RESPONSE_HEADERS = frozenset(
    f"access-control-{name}".encode()
    for name in (
        "allow-origin",
        "allow-credentials",
        "allow-headers",
        "allow-methods",
        "allow-private-network",
        "expose-headers",
        "max-age",
    )
)
# The gateway's own: what a program needs to ask well, and to understand a refusal.
_SENT = ("content-type", "traceparent", "tracestate", "x-request-id", "x-serai-version", "x-serai-wait")
_READ = ("Retry-After", "X-Request-Id", "X-Serai-Version", "X-Serai-Replica")
_ALWAYS = frozenset({"accept", "accept-language", "content-language"})


def is_preflight(method: str, headers: Headers) -> bool:
    """Return whether a browser asks what it may send."""
    return (
        method == "OPTIONS"
        and bool(values_of(headers, b"origin"))
        and bool(values_of(headers, b"access-control-request-method"))
    )


def answer_lines(cors: Cors, headers: Headers) -> bytes:
    """Return the header lines that go with every answer to a request with `headers`; b"" where there are no rules."""
    if not cors.origins:
        return b""
    lines = [] if "*" in cors.origins else ["Vary: Origin"]
    if origin := _find_origin(cors, headers):
        lines += _allow(cors, origin)
        lines.append("Access-Control-Expose-Headers: " + ", ".join((*_READ, *cors.exposed)))
    return "".join(f"{line}\r\n" for line in lines).encode()


def preflight_lines(route: Route, headers: Headers) -> bytes:
    """Return the header lines that let a browser go on; raise Problem 403 that says what is not allowed."""
    cors = route.cors
    origin = _find_origin(cors, headers)
    if not origin:
        raise Problem(403, "origin-not-allowed", f"{_show(headers, b'origin')} is not among cors.origins")
    method = _show(headers, b"access-control-request-method")
    if cors.methods and method not in (*cors.methods, "GET", "HEAD", "POST"):
        raise Problem(403, "method-not-allowed", f"{method} is not among cors.methods")
    asked = _show(headers, b"access-control-request-headers")
    allowed = _sendable(route)
    for name in filter(None, (part.strip().lower() for part in asked.split(","))):
        if name not in allowed and "*" not in cors.headers:
            raise Problem(403, "header-not-allowed", f"the header {name} is not among cors.headers")
    lines = _allow(cors, origin)
    lines += [
        f"Access-Control-Allow-Methods: {method}",
        f"Access-Control-Max-Age: {round(cors.max_age_s)}",
        "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    ]
    if asked:
        lines.append(f"Access-Control-Allow-Headers: {asked}")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _sendable(route: Route) -> frozenset[str]:
    """Return the headers that a page may send: the configured ones, the gateway's own, and those that carry keys."""
    keys = {"authorization", route.key_header} if route.access is Access.KEYS else set()
    return frozenset((*_ALWAYS, *_SENT, *route.cors.headers)) | keys


def _allow(cors: Cors, origin: str) -> list[str]:
    lines = [f"Access-Control-Allow-Origin: {origin}"]
    return [*lines, "Access-Control-Allow-Credentials: true"] if cors.credentials else lines


def _find_origin(cors: Cors, headers: Headers) -> str:
    """Return what to answer for the page's origin, "" where it may not call."""
    if "*" in cors.origins:
        return "*"
    origins = [value.decode("latin-1") for value in values_of(headers, b"origin")]
    return origins[0] if len(origins) == 1 and origins[0] in cors.origins else ""


def _show(headers: Headers, name: bytes) -> str:
    """Return the values of a header as one, in printable ASCII: it goes into an answer."""
    text = ", ".join(value.decode("latin-1") for value in values_of(headers, name))
    return "".join(letter for letter in text if " " <= letter <= "~")[:2000]
