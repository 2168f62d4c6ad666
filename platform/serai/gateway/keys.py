"""Check the key of a request against the grants of its route.

Keys are compared by looking their SHA-256 up, so the time taken says nothing about any key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from serai.domain.deployment import Access
from serai.domain.routes import Grant, Route

from .headers import Headers, values_of
from .problems import Problem, make_unauthenticated, make_unavailable

FORBIDDEN = "the key is valid but not for this deployment; ask its owner for access"
EXPIRED = "the key has expired; ask the deployment's owner for a new one"


class WrongKey(Problem):
    """A key was sent, and it is none."""


def find_key(headers: Headers, key_header: str) -> str | None:
    """Return the key that a request shows, None where it shows none; raise Problem where it shows two.

    It stands in `Authorization: Bearer`, or in the header that the route names (lower case; "" for none).
    """
    bearers = [_read_bearer(value) for value in values_of(headers, b"authorization")]
    named = values_of(headers, key_header.encode()) if key_header else []
    keys = {key for key in (*bearers, *(value.strip() for value in named)) if key}
    if len(keys) > 1:
        raise Problem(400, "two-keys", f"two different keys were sent; send one, {_ways(key_header)}")
    return keys.pop().decode("utf-8", "surrogateescape") if keys else None


def check_key(
    key: str | None, route: Route, grants: Mapping[str, Grant], now: float, is_known: Callable[[str, float], bool]
) -> Grant:
    """Return the grant that lets a request pass; raise Problem 401 or 403, WrongKey where the key is none.

    `grants` is keyed by hash, `now` in epoch seconds. `is_known(hash, now)` tells whether a key that is not granted
    here is valid for another deployment; it is asked only then.
    """
    if key is None:
        raise make_unauthenticated(describe_missing(route.key_header))
    key_hash = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    grant = grants.get(key_hash)
    if grant is None and is_known(key_hash, now):
        raise Problem(403, "forbidden", FORBIDDEN)
    if grant is None:
        raise _make_wrong(describe_wrong(route.key_header))
    if not is_current(grant, now):
        raise _make_wrong(EXPIRED)
    return grant


def describe_missing(key_header: str) -> str:
    """Return what who sent no key is told; `key_header` as routes have it."""
    return f"this deployment takes keyed requests only: send a key of this deployment {_ways(key_header)}"


def describe_wrong(key_header: str) -> str:
    """Return what who sent no valid key is told."""
    return f"the key is not valid: send a key of this deployment {_ways(key_header)}"


def check_admitted(before: Route, now: Route) -> None:
    """Let a request pass whose key was checked under the route `before`; raise Problem if that may not hold any more.

    Which key it was is not known here: as soon as any is taken away, the caller has to show its own again.
    """
    if now.access is Access.PUBLIC:
        return
    if before.access is Access.PUBLIC or not set(before.grants) <= set(now.grants):
        raise make_unavailable("access-changed", "access was changed while the request was held; send it again", 1)


def is_current(grant: Grant, now: float) -> bool:
    return grant.expires_at is None or now < grant.expires_at


def make_outdated() -> Problem:
    """Return the answer to keyed requests where it is not known any more which keys hold."""
    detail = "this gateway has been without its server for too long to know which keys still hold (gateway_keys_last)"
    return make_unavailable("keys-outdated", detail, 10)


def _read_bearer(authorization: bytes) -> bytes:
    """Return the key of an Authorization header, b"" where it is of another kind."""
    scheme, _, key = authorization.strip().partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def _ways(key_header: str) -> str:
    return "as `Authorization: Bearer <key>`" + (f", or as `{key_header}: <key>`" if key_header else "")


def _make_wrong(detail: str) -> WrongKey:
    problem = make_unauthenticated(detail)
    return WrongKey(problem.status, problem.code, problem.detail, problem.headers)
