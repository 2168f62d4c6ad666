"""Access tokens: everybody's own, an administrator's being all."""

from __future__ import annotations

from datetime import timedelta

from serai.domain.errors import Forbidden, NotFound
from serai.domain.quantity import parse_duration
from serai.plugin.identity import Permission
from serai.store import events, tokens
from serai.store.tokens import Token
from serai.web.dump import dump_token
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.queries import TokenPath
from serai.web.shapes.tokens import NewTokenAnswer, TokenBody, TokensAnswer

resource = Resource("tokens", "Tokens for people and programs. A token is shown once, when it is made.")


@resource.on("GET", "/tokens", Permission.READ, {200: TokensAnswer})
def list_tokens(call: Call) -> Answer:
    """List one's own tokens, an administrator's being all, without their plain text."""
    login = None if _is_administrator(call) else call.caller.login
    return Answer([dump_token(token) for token in tokens.list_tokens(call.core.db, login)])


@resource.on("POST", "/tokens", Permission.WRITE, {201: NewTokenAnswer}, takes=TokenBody)
def create_token(call: Call, body: TokenBody) -> Answer:
    """Make a token. Its plain text is in this answer and nowhere else.

    `admin` includes `write`, and `write` includes `read`; `gateway` stands alone. Only an administrator makes one for
    somebody else, or one that may do more than the caller.
    """
    now = call.core.clock()
    ends = now + timedelta(seconds=parse_duration(body.expires_in, "expires_in")) if body.expires_in else None
    login = body.login or call.caller.login
    _check_scope(call, login, frozenset(body.permissions))
    with call.core.db.write():
        token, plaintext = tokens.create_token(call.core.db, body.name, login, body.permissions, now, ends)
        _note(call, "token.created", token)
    call.core.changes.bump("")
    return Answer(dump_token(token) | {"token": plaintext}, 201)


@resource.on("DELETE", "/tokens/<int:id>", Permission.WRITE, {204: None}, refuses=(404, 409))
def revoke_token(call: Call, path: TokenPath) -> Answer:
    """Revoke a token at once, together with the browser sessions made from it."""
    with call.core.db.write():
        token = tokens.get_token(call.core.db, path.id)
        if token.login != call.caller.login and not _is_administrator(call):
            raise NotFound(f"no token with the id {path.id}", "token-not-found")
        tokens.revoke_token(call.core.db, path.id)
        _note(call, "token.revoked", token)
    call.core.changes.bump("")
    return Answer(None, 204)


def _is_administrator(call: Call) -> bool:
    return _may(call, Permission.ADMIN)


def _may(call: Call, permission: Permission) -> bool:
    try:
        call.core.plugins.authorize(call.caller, permission)
    except Forbidden:
        return False
    return True


def _check_scope(call: Call, login: str, permissions: frozenset[Permission]) -> None:
    if _is_administrator(call):
        return
    if login != call.caller.login:
        raise Forbidden(f"only an administrator makes tokens for somebody else; leave out the login {login!r}")
    for permission in sorted(permissions):
        if not _may(call, permission):
            raise Forbidden(f"{login!r} cannot give a token the permission {permission.value!r}, having it not itself")


def _note(call: Call, kind: str, token: Token) -> None:
    text = f"{token.name} ({token.prefix}…) of {token.login}: {', '.join(sorted(token.permissions))}"
    events.add_event(call.core.db, call.core.clock(), kind, "", text=text, actor=call.caller.login)
