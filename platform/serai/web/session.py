"""The browser's session: a signed cookie around a token of its own, and the CSRF token that goes with it.

The cookie never holds the token that a person pasted: signing in makes a new one that ends by itself, is revoked at
signing out, and dies with the token it was made from. The API and the pages accept the same cookie. Both must refuse
an unsafe method (anything but GET, HEAD, OPTIONS) that comes with the cookie and without the session's CSRF token in
the header `X-CSRF-Token` or the form field `csrf`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from itsdangerous import BadData, URLSafeSerializer

COOKIE = "serai_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
LIFETIME = timedelta(days=7)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Session:
    """`token` is the session's own credential; `made_from` the id of the token that was pasted, 0 for none."""

    token: str = field(repr=False)
    made_from: int = 0


def dump_session(secret_key: bytes, session: Session) -> str:
    """Return the cookie's value."""
    return _serializer(secret_key).dumps([session.token, session.made_from])


def load_session(secret_key: bytes, cookie: str | None, is_token_alive: Callable[[int], bool]) -> Session | None:
    """Return the session of a cookie, or None where it is missing, forged, or made from a token that is gone."""
    try:
        token, made_from = _serializer(secret_key).loads(cookie or "")
    except (BadData, ValueError, TypeError):
        return None
    if made_from and not is_token_alive(made_from):
        return None
    return Session(token, made_from)


def make_csrf_token(secret_key: bytes, session: Session) -> str:
    """Return the token that pages of this session put into forms and headers."""
    return hmac.new(secret_key, b"csrf:" + session.token.encode(), hashlib.sha256).hexdigest()


def is_csrf_valid(secret_key: bytes, session: Session, presented: str | None) -> bool:
    return hmac.compare_digest(make_csrf_token(secret_key, session).encode(), (presented or "").encode())


def _serializer(secret_key: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="serai-session", signer_kwargs={"digest_method": hashlib.sha256})
