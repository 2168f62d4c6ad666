"""Names of headers that matter to HAProxy's rules, and the expressions that find them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from serai.gateway.headers import SESSION_COOKIE

SESSION = SESSION_COOKIE.decode()

# Of connections, or told by the gateway alone: taken off what callers send, and off what models answer.
DROPPED = (
    "keep-alive",
    "te",
    "trailer",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-forwarded-(for|host|prefix|proto)",
    "traceparent",
    "proxy-.*",  # -connection, -authenticate, -authorization
    "x-serai-.*",
)
ANSWERS_DROPPED = ("x-serai-.*", "x-request-id", "keep-alive", "proxy-authenticate")


def names_of(headers: Iterable[str]) -> str:
    """Return the expression for names, separated by commas, of which one is among `headers`."""
    return f"(^|,)({'|'.join(headers)})(,|$)".replace(".*", "[^,]*")


def twice(first: str, second: str) -> str:
    """Return the expression for names, separated by commas, of which one comes after the other."""
    return f"(^|,){first},(.*,)?{second}(,|$)"
