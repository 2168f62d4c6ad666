"""Making and revoking access tokens, for API and pages: who may, how far one reaches, what the timeline says."""

from __future__ import annotations

from datetime import timedelta

from serai.domain.accounts import Account
from serai.domain.errors import Forbidden, NotFound
from serai.domain.quantity import parse_duration
from serai.plugin.identity import Identity, Permission
from serai.reconcile.core import Core
from serai.reconcile.vouched import permissions_of
from serai.store import events, tokens
from serai.store.accounts import find_account
from serai.store.tokens import Token

from .shapes.sign_in import SignInBody
from .shapes.tokens import TokenBody
from .token_plugin import ceiling_of, derive_reach


def make_token(core: Core, caller: Identity, body: TokenBody) -> tuple[Token, str]:
    """Return a new token and its plain text, which is kept nowhere.

    Raise Forbidden where somebody who is no administrator makes one for somebody else, or one that may do more than
    the caller; Invalid for a lifetime that is none.
    """
    now = core.clock()
    ends = now + timedelta(seconds=parse_duration(body.expires_in, "expires_in")) if body.expires_in else None
    login = body.login or caller.login
    _check_scope(core, caller, login, frozenset(body.permissions))
    with core.db.write():
        token, plaintext = tokens.create_token(core.db, body.name, login, body.permissions, now, ends)
        _note(core, caller.login, "token.created", token)
    core.changes.bump("")
    return token, plaintext


def make_login_token(core: Core, account: Account, body: SignInBody) -> tuple[Token, str]:
    """Return a token of an account that has just shown its password, and the plain text, which is kept nowhere.

    It ends with the account's password, as browsers' sessions do. Raise Forbidden for more than the role allows.
    """
    now, scope = core.clock(), frozenset(body.permissions or permissions_of(account.role))
    if beyond := sorted(scope - ceiling_of(account.role)):
        raise Forbidden(f"{account.login} is {account.role} and may not have the permission {beyond[0].value!r}")
    ends = now + timedelta(seconds=parse_duration(body.expires_in, "expires_in"))
    tokens.prune_sessions(core.db, now)
    with core.db.write():
        token, plaintext = tokens.create_token(
            core.db, body.name, account.login, scope, now, ends, tokens.TokenKind.LOGIN
        )
        _note(core, account.login, "token.created", token)
    core.changes.bump("")
    return token, plaintext


def revoke_token(core: Core, caller: Identity, id: int) -> None:
    """Revoke a token at once.

    Raise NotFound, also for somebody else's unless an administrator asks; Forbidden where it may do more than the
    caller: who holds a token that only reads must not end those that write.
    """
    with core.db.write():
        token = tokens.get_token(core.db, id)
        if not core.plugins.allows(caller, Permission.ADMIN):
            _check_own(core, caller, token)
        tokens.revoke_token(core.db, id)
        _note(core, caller.login, "token.revoked", token)
    core.changes.bump("")


def list_grantable(core: Core, caller: Identity) -> list[Permission]:
    """Return the permissions that a token of the caller's making may have."""
    return [permission for permission in Permission if _may_give(core, caller, permission)]


def _may_give(core: Core, caller: Identity, permission: Permission) -> bool:
    return core.plugins.allows(caller, Permission.ADMIN) or core.plugins.allows(caller, permission)


def _check_scope(core: Core, caller: Identity, login: str, permissions: frozenset[Permission]) -> None:
    if login != caller.login and not core.plugins.allows(caller, Permission.ADMIN):
        raise Forbidden(f"only an administrator makes tokens for somebody else; leave out the login {login!r}")
    for permission in sorted(permissions):
        if not _may_give(core, caller, permission):
            raise Forbidden(f"{login!r} cannot give a token the permission {permission.value!r}, having it not itself")


def _check_own(core: Core, caller: Identity, token: Token) -> None:
    if token.login != caller.login:
        raise NotFound(f"no token with the id {token.id}", "token-not-found")
    for permission in sorted(derive_reach(token.permissions, find_account(core.db, token.login))):
        if not core.plugins.allows(caller, permission):
            raise Forbidden(
                f"the token {token.id} has the permission {permission.value!r}, which you call without; revoke it on"
                " the page of your account, or with a token that has it"
            )


def _note(core: Core, actor: str, kind: str, token: Token) -> None:
    text = f"{token.name} ({token.prefix}…) of {token.login}: {', '.join(sorted(token.permissions))}"
    events.add_event(core.db, core.clock(), kind, "", text=text, actor=actor)
