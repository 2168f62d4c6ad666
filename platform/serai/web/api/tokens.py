"""Access tokens: everybody's own, an administrator's being all."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.store import tokens
from serai.web import personal_tokens
from serai.web.dump import dump_token
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.queries import TokenPath
from serai.web.shapes.tokens import NewTokenAnswer, TokenBody, TokensAnswer

resource = Resource("tokens", "Tokens for people and programs. A token is shown once, when it is made.")


@resource.on("GET", "/tokens", Permission.READ, {200: TokensAnswer})
def list_tokens(call: Call) -> Answer:
    """List one's own tokens, an administrator's being all, without their plain text."""
    is_administrator = call.core.plugins.allows(call.caller, Permission.ADMIN)
    login = None if is_administrator else call.caller.login
    return Answer([dump_token(token) for token in tokens.list_tokens(call.core.db, login)])


@resource.on("POST", "/tokens", Permission.READ, {201: NewTokenAnswer}, takes=TokenBody)
def create_token(call: Call, body: TokenBody) -> Answer:
    """Make a token. Its plain text is in this answer and nowhere else.

    `admin` includes `write`, and `write` includes `read`, `fetch` and `spans`; `gateway` stands alone. Only an
    administrator makes one for somebody else, or one that may do more than the caller.
    """
    token, plaintext = personal_tokens.make_token(call.core, call.caller, body)
    return Answer(dump_token(token) | {"token": plaintext}, 201)


@resource.on("DELETE", "/tokens/<int:id>", Permission.READ, {204: None}, refuses=(404, 409))
def revoke_token(call: Call, path: TokenPath) -> Answer:
    """Revoke a token at once, together with the browser sessions made from it.

    Who is no administrator revokes tokens of the own login, with one that may do as much.
    """
    personal_tokens.revoke_token(call.core, call.caller, path.id)
    return Answer(None, 204)
