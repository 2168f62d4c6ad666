"""Access tokens."""

from __future__ import annotations

from datetime import timedelta

from serai.domain.quantity import parse_duration
from serai.plugin.identity import Permission
from serai.store import tokens
from serai.web.dump import dump_token
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.queries import TokenPath
from serai.web.shapes.tokens import NewTokenAnswer, TokenBody, TokensAnswer

resource = Resource("tokens", "Tokens for people and programs. A token is shown once, when it is made.")


@resource.on("GET", "/tokens", Permission.ADMIN, {200: TokensAnswer})
def list_tokens(call: Call) -> Answer:
    """List the tokens, without their plain text."""
    return Answer([dump_token(token) for token in tokens.list_tokens(call.core.db)])


@resource.on("POST", "/tokens", Permission.ADMIN, {201: NewTokenAnswer}, takes=TokenBody)
def create_token(call: Call, body: TokenBody) -> Answer:
    """Make a token. Its plain text is in this answer and nowhere else.

    `admin` includes `write`, and `write` includes `read`; `gateway` stands alone.
    """
    now = call.core.clock()
    ends = now + timedelta(seconds=parse_duration(body.expires_in, "expires_in")) if body.expires_in else None
    login = body.login or call.caller.login
    token, plaintext = tokens.create_token(call.core.db, body.name, login, frozenset(body.permissions), now, ends)
    return Answer(dump_token(token) | {"token": plaintext}, 201)


@resource.on("DELETE", "/tokens/<int:id>", Permission.ADMIN, {204: None}, refuses=(404, 409))
def revoke_token(call: Call, path: TokenPath) -> Answer:
    """Revoke a token at once, together with the browser sessions made from it."""
    tokens.revoke_token(call.core.db, path.id)
    return Answer(None, 204)
