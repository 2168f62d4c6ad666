"""Access tokens as a plugin: the core authenticates and authorises through the same hooks as everybody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from serai.domain.errors import Unauthenticated
from serai.plugin import Credentials, Identity, Permission, hookimpl
from serai.store import tokens
from serai.store.database import Database

PREFIX = "serai_"
_IMPLIED = {
    Permission.ADMIN: frozenset({Permission.ADMIN, Permission.WRITE, Permission.READ, Permission.FETCH}),
    Permission.WRITE: frozenset({Permission.WRITE, Permission.READ, Permission.FETCH}),
    Permission.READ: frozenset({Permission.READ}),
    Permission.FETCH: frozenset({Permission.FETCH}),
    Permission.GATEWAY: frozenset({Permission.GATEWAY}),
}


class TokenAuthentication:
    """Knows the tokens of the store. ADMIN includes WRITE, and WRITE includes READ and FETCH; GATEWAY stands alone."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        if not credentials.token.startswith(PREFIX):
            return None
        now = self._clock()
        token = tokens.find_token(self._db, credentials.token, now)
        if token is None:
            raise Unauthenticated("this token is not known, has been revoked or has expired; sign in again")
        tokens.touch_token(self._db, token.id, now)
        return Identity(token.login, token.permissions)

    @hookimpl
    def serai_authorize(self, identity: Identity, permission: Permission, deployment: str | None) -> bool | None:
        """Say yes to what the identity carries itself, and leave the rest to other plugins."""
        has = any(permission in _IMPLIED[own] for own in identity.permissions)
        return True if has else None
