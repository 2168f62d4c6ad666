"""Access tokens as a plugin: the core authenticates and authorises through the same hooks as everybody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from serai.domain.accounts import Account, Role, describe_owner
from serai.domain.errors import Forbidden, Unauthenticated
from serai.plugin import Credentials, Identity, Permission, hookimpl
from serai.reconcile.vouched import permissions_of
from serai.store import tokens
from serai.store.accounts import find_account
from serai.store.database import Database
from serai.store.teams import find_owner, owners_of

_WRITING = frozenset({Permission.WRITE, Permission.READ, Permission.FETCH, Permission.SPANS})
IMPLIED = {
    Permission.ADMIN: _WRITING | {Permission.ADMIN},
    Permission.WRITE: _WRITING,
    Permission.READ: frozenset({Permission.READ}),
    Permission.FETCH: frozenset({Permission.FETCH}),
    Permission.SPANS: frozenset({Permission.SPANS}),
    Permission.GATEWAY: frozenset({Permission.GATEWAY}),
}
# What changes a deployment, or is told of it: its owner's.
_OWNERS = frozenset({Permission.WRITE, Permission.SPANS})
_GATEWAYS = frozenset({Permission.GATEWAY})


class TokenAuthentication:
    """Knows the tokens of the store. ADMIN includes WRITE, which includes READ, FETCH and SPANS; GATEWAY stands alone.

    A token of an account has the lesser of its own scope and the account's role of the moment, and writes to what the
    account or one of its teams owns, or what is not there yet. A token whose login has no account is one that an
    administrator made for a program: its scope is all there is to say.
    """

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        if not credentials.token.startswith(tokens.MARK):
            return None
        now = self._clock()
        bearer = tokens.find_bearer(self._db, credentials.token, now)
        if bearer is None:
            raise Unauthenticated("this token is not known, has been revoked or has expired; sign in again")
        account, token = bearer.account, bearer.token
        if account is not None and account.is_disabled:
            raise Unauthenticated(f"the account {account.login!r} is disabled; ask an administrator")
        tokens.touch_token(self._db, token, now)
        if account is None:
            return Identity(token.login, token.permissions)
        return Identity(token.login, derive_reach(token.permissions, account), has_account=True)

    @hookimpl
    def serai_authorize(self, identity: Identity, permission: Permission, deployment: str | None) -> bool | None:
        """Say yes to what the identity carries itself, where it may write at all; leave the rest to other plugins.

        Raise Forbidden where somebody else owns the deployment.
        """
        can = expand(identity.permissions)
        if permission not in can:
            return None
        if permission in _OWNERS and deployment is not None and Permission.ADMIN not in can:
            self._check_owner(identity, deployment)
        return True

    def _check_owner(self, identity: Identity, deployment: str) -> None:
        with self._db.read():
            if not identity.has_account and find_account(self._db, identity.login) is None:
                return
            owner = find_owner(self._db, deployment)
            if owner is None or owner in owners_of(self._db, identity.login):
                return
        raise Forbidden(
            f"{deployment} belongs to {describe_owner(owner)}, and {identity.login} may look at it alone; ask"
            f" {describe_owner(owner)} or an administrator to do it, or to give it to a team of yours",
            "not-owner",
        )


def derive_reach(scope: frozenset[Permission], account: Account | None) -> frozenset[Permission]:
    """Return what a token of a scope may do: no more than the role of its account, where it has one."""
    return expand(scope) if account is None else expand(scope) & ceiling_of(account.role)


def ceiling_of(role: Role) -> frozenset[Permission]:
    """Return the most that a token of an account may do. Administrators may run gateways, too."""
    return expand(permissions_of(role)) | (_GATEWAYS if role is Role.ADMINISTRATOR else frozenset())


def expand(permissions: frozenset[Permission]) -> frozenset[Permission]:
    """Return permissions with what they include."""
    return frozenset().union(*(IMPLIED[own] for own in permissions))
