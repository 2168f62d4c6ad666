"""Check the key of a request against the grants of its route.

Keys are compared by looking their SHA-256 up, so the time taken says nothing about any key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from serai.domain.deployment import Access
from serai.domain.routes import Grant, Route

from .problems import Problem, make_unauthenticated, make_unavailable

_MANUAL = "send a key of this deployment as `Authorization: Bearer <key>`"


def check_key(
    authorization: str | None, grants: Mapping[str, Grant], now: float, is_known: Callable[[str, float], bool]
) -> Grant:
    """Return the grant that lets a request pass; raise Problem 401 or 403.

    `grants` is keyed by hash, `now` in epoch seconds. `is_known(hash, now)` tells whether a key that is not granted
    here is valid for another deployment; it is asked only then.
    """
    if not authorization:
        raise make_unauthenticated(f"this deployment takes keyed requests only: {_MANUAL}")
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise make_unauthenticated(f"the Authorization header is not a bearer key: {_MANUAL}")
    key_hash = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).hexdigest()
    grant = grants.get(key_hash)
    if grant is None:
        raise _refuse(is_known(key_hash, now))
    if not is_current(grant, now):
        raise make_unauthenticated("the key has expired; ask the deployment's owner for a new one")
    return grant


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


def _refuse(known: bool) -> Problem:
    if known:
        return Problem(403, "forbidden", "the key is valid but not for this deployment; ask its owner for access")
    return make_unauthenticated(f"the key is not valid: {_MANUAL}")
