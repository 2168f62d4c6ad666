"""Signing in with a password, a pasted token or a one-time address, and signing out."""

from __future__ import annotations

import math

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import Conflict, NotFound, SeraiError, TooManyTries, Unauthenticated
from serai.plugin import Credentials, Identity
from serai.reconcile.core import Core
from serai.reconcile.vouched import permissions_of
from serai.store import tokens
from serai.web.attempts import Attempts
from serai.web.password_sign_in import read_login, sign_in
from serai.web.problems import status_of
from serai.web.session import COOKIE, LIFETIME, Session, dump_session

from .login_codes import LoginCodes
from .viewer import find_viewer, get_viewer

SESSION_NAME = "browser session"


class SigninPages:
    """`/login` and `/logout`."""

    def __init__(self, core: Core, attempts: Attempts) -> None:
        self._core = core
        self._codes = LoginCodes(core.secret_key, core.started_at)
        self._attempts = attempts

    def register(self, ui: Blueprint) -> None:
        ui.get("/login", endpoint="login")(self.show)
        ui.post("/login", endpoint="sign_in")(self.sign_in)
        ui.post("/logout", endpoint="sign_out")(self.sign_out)

    def show(self) -> Response | tuple[str, int]:
        """Show the form, or sign in at once with a code."""
        code = flask.request.args.get("code")
        if code:
            return self._take_code(code)
        if find_viewer(self._core):
            return flask.redirect(read_next())
        return show_form(None)

    def sign_in(self) -> Response | tuple[str, int]:
        """Make a session of a login with its password, or of the pasted token."""
        if "login" in flask.request.form:
            return self._take_password()
        pasted = flask.request.form.get("token", "").strip()
        now = self._core.clock()
        try:
            identity = self._core.plugins.authenticate(Credentials(pasted, flask.request.remote_addr or ""))
        except Unauthenticated as error:
            return show_form(error)
        token = tokens.find_token(self._core.db, pasted, now)
        return self.open_session(identity, token.id if token else 0)

    def sign_out(self) -> Response:
        """End the session, for other holders of its cookie as well."""
        session_token = tokens.find_token(self._core.db, get_viewer().session.token, self._core.clock())
        if session_token is not None:
            self._revoke(session_token.id)
        response = flask.redirect(flask.url_for("ui.login", note="signed-out"))
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Lax")
        return response

    def _take_password(self) -> Response | tuple[str, int]:
        """Sign in an account, or say no more than that the two do not fit."""
        form, client = flask.request.form, flask.request.remote_addr or ""
        try:
            account = sign_in(self._core, self._attempts, form["login"], form.get("password", ""), client)
        except (TooManyTries, Unauthenticated) as error:
            return show_form(error, read_login(form["login"]))
        return self.open_session(Identity(account.login, permissions_of(account.role)), 0)

    def _take_code(self, code: str) -> Response | tuple[str, int]:
        try:
            granted = self._codes.redeem(code, self._core.clock())
        except Unauthenticated as error:
            return show_form(error)
        return self.open_session(Identity(granted.login, granted.permissions), 0)

    def open_session(self, identity: Identity, made_from: int, target: str = "") -> Response:
        """Sign the browser in and send it to `target`, a page of ours, "" for the one that it asked for."""
        now = self._core.clock()
        tokens.prune_sessions(self._core.db, now)
        _, plaintext = tokens.create_token(
            self._core.db,
            SESSION_NAME,
            identity.login,
            identity.permissions,
            now,
            now + LIFETIME,
            tokens.TokenKind.SESSION,
        )
        response = flask.redirect(target or read_next())
        response.set_cookie(
            COOKIE,
            dump_session(self._core.secret_key, Session(plaintext, made_from)),
            max_age=LIFETIME,
            httponly=True,
            samesite="Lax",
            secure=flask.request.is_secure,
        )
        return response

    def _revoke(self, token_id: int) -> None:
        try:
            tokens.revoke_token(self._core.db, token_id)
        except (NotFound, Conflict):  # another request was faster
            return


def show_form(error: SeraiError | None, login: str | None = None) -> Response | tuple[str, int]:
    """Show the form with what was wrong: of the token, or, where a login is given, of the password."""
    errors = {"error": error} if login is None else {"error": None, "password_error": error}
    page = flask.render_template("serai/login.html", **errors, login=login or "", next=read_next())
    if not isinstance(error, TooManyTries):
        return page, status_of(error) if error else 200
    return flask.make_response(page, status_of(error), {"Retry-After": str(math.ceil(error.retry_after_s))})


def read_next() -> str:
    """Return the page to go to after signing in: one of ours, never another site's."""
    target = flask.request.values.get("next", "/")
    # Browsers drop tabs and newlines from addresses, so that "/\t/evil.example" would be another site's.
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_ours else "/"
