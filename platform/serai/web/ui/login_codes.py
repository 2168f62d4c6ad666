"""One-time login addresses: a signed code that whoever can read the server's secret key may hand to a browser.

`serai up` prints one at the first start. A code carries no token: it says who it is for, and when it ends.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer

from serai.domain.errors import Unauthenticated
from serai.plugin import Permission

LIFETIME = timedelta(minutes=30)
EVERYTHING = (Permission.READ, Permission.WRITE, Permission.ADMIN)


@dataclass(frozen=True, slots=True)
class LoginCode:
    """Who a code signs in, with what right; `nonce` makes it usable once."""

    nonce: str
    login: str
    permissions: frozenset[Permission]
    expires_at: datetime


def make_login_code(
    secret_key: bytes, now: datetime, login: str = "admin", permissions: Collection[Permission] = EVERYTHING
) -> str:
    """Return a code for `/login?code=...`."""
    expires = int((now + LIFETIME).timestamp())
    words = [secrets.token_urlsafe(12), login, sorted(permissions), expires]
    return _serializer(secret_key).dumps(words)


def make_login_url(server_url: str, secret_key: bytes, now: datetime, login: str = "admin") -> str:
    """Return the whole address that signs a browser in once."""
    return f"{server_url.rstrip('/')}/login?code={make_login_code(secret_key, now, login)}"


class LoginCodes:
    """Takes each code once. Safe from any thread.

    What was used is remembered until it would have ended anyway, in memory alone: therefore codes made before `since`,
    the server's start, are refused.
    """

    def __init__(self, secret_key: bytes, since: datetime) -> None:
        self._secret_key = secret_key
        self._since = since.replace(microsecond=0)  # codes know whole seconds
        self._lock = threading.Lock()
        self._used: dict[str, datetime] = {}

    def redeem(self, code: str, now: datetime) -> LoginCode:
        """Return what a code grants. Raise Unauthenticated for one that is forged, too old, or used."""
        found = _read(self._secret_key, code)
        is_current = found is not None and found.expires_at >= now and found.expires_at - LIFETIME >= self._since
        if found is None or not is_current or not self._use(found, now):
            raise Unauthenticated(
                "This login address was used already or is too old. Paste a token instead, or ask for a new address"
                " with `serai login --browser`.",
                "login-code",
            )
        return found

    def _use(self, code: LoginCode, now: datetime) -> bool:
        with self._lock:
            self._used = {nonce: until for nonce, until in self._used.items() if until >= now}
            if code.nonce in self._used:
                return False
            self._used[code.nonce] = code.expires_at
            return True


def _read(secret_key: bytes, code: str) -> LoginCode | None:
    try:
        nonce, login, permissions, expires = _serializer(secret_key).loads(code)
        ends = datetime.fromtimestamp(expires, tz=UTC)
        return LoginCode(nonce, login, frozenset(Permission(word) for word in permissions), ends)
    except (BadData, ValueError, TypeError):
        return None


def _serializer(secret_key: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="serai-login-code", signer_kwargs={"digest_method": hashlib.sha256})
