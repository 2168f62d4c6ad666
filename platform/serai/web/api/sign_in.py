"""Login and password for a token: how the command line and programs of a person sign in."""

from __future__ import annotations

from flask import request

from serai.web import password_sign_in, personal_tokens
from serai.web.dump import dump_token
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.sign_in import SignInBody
from serai.web.shapes.tokens import NewTokenAnswer

resource = Resource("sign-in", "A token for login and password.")


@resource.on("POST", "/sign-in", None, {201: NewTokenAnswer}, refuses=(401, 403, 429, 503), takes=SignInBody)
def sign_in(call: Call, body: SignInBody) -> Answer:
    """Exchange login and password for a token. Its plain text is in this answer and nowhere else.

    It does no more than the account's role allows at the moment, and ends after `expires_in`, with a new password,
    when the account is disabled, and when it is revoked. Failures are counted together with those of the sign-in page:
    after too many nothing is looked at for a while (429).
    """
    client = request.remote_addr or ""
    account = password_sign_in.sign_in(call.core, call.attempts, body.login, body.password, client)
    token, plaintext = personal_tokens.make_login_token(call.core, account, body)
    return Answer(dump_token(token) | {"token": plaintext}, 201)
