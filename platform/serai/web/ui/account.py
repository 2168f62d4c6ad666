"""`/account`: who looks, their own password and their own tokens."""

from __future__ import annotations

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import Forbidden, Invalid, NotFound, SeraiError
from serai.reconcile.core import Core
from serai.store import tokens
from serai.store.accounts import find_account
from serai.store.passwords import SHORTEST, check_new_password, find_by_password, set_password
from serai.store.teams import list_teams_of
from serai.web.attempts import Attempts
from serai.web.personal_tokens import list_grantable, make_token, revoke_token
from serai.web.problems import status_of
from serai.web.reading import read_model
from serai.web.shapes.tokens import TokenBody

from .forms import check_confirmation, see
from .keys import LIFETIMES
from .viewer import get_viewer


class AccountPage:
    def __init__(self, core: Core, attempts: Attempts) -> None:
        self._core = core
        self._attempts = attempts

    def register(self, ui: Blueprint) -> None:
        ui.get("/account", endpoint="account")(self.show)
        ui.post("/account/password", endpoint="change_password")(self.change_password)
        ui.post("/account/tokens", endpoint="create_token")(self.create_token)
        ui.post("/account/tokens/<int:id>/revoke", endpoint="revoke_token")(self.revoke_token)

    def show(self) -> str:
        return self._render(None, "")

    def change_password(self) -> Response | tuple[str, int]:
        """Give the viewer's account another password; all its sessions but this one end."""
        try:
            self._change_password()
        except SeraiError as error:
            return self._render(error, "password"), status_of(error)
        self._core.changes.bump("")
        return see("ui.account", "password-changed")

    def create_token(self) -> str | tuple[str, int]:
        """Make a token and show it: in this answer, never at an address that could be asked again."""
        form = flask.request.form
        values = {
            "name": form.get("name", "").strip(),
            "permissions": form.getlist("permission"),
            "expires_in": form.get("expires_in") or None,
        }
        try:
            token, plaintext = make_token(self._core, get_viewer().identity, read_model(TokenBody, values))
        except (Invalid, Forbidden) as error:
            return self._render(error, "token"), status_of(error)
        return flask.render_template("serai/token_secret.html", token=token, secret=plaintext)

    def revoke_token(self, id: int) -> Response | tuple[str, int]:
        caller = get_viewer().identity
        try:
            check_confirmation(self._own_token(id).prefix)
            revoke_token(self._core, caller, id)
        except (Invalid, Forbidden) as error:
            return self._render(error, f"token-{id}"), status_of(error)
        return see("ui.account", "token-revoked")

    def _own_token(self, id: int) -> tokens.Token:
        """Return one of the viewer's tokens. Raise NotFound for one that somebody else has as for none."""
        for token in self._list_tokens():
            if token.id == id:
                return token
        raise NotFound(f"You have no token with the id {id}.", "token-not-found")

    def _list_tokens(self) -> list[tokens.Token]:
        own = tokens.list_tokens(self._core.db, get_viewer().login)
        return [token for token in own if token.kind is not tokens.TokenKind.SESSION]

    def _change_password(self) -> None:
        """Raise a SeraiError that says why the password stays as it is."""
        form, login, now = flask.request.form, get_viewer().login, self._core.clock()
        new = form.get("new", "")
        if new != form.get("again", ""):
            raise Invalid("The two new passwords are not the same; type both again.", "again")
        check_new_password(login, new)
        self._check_current(login, form.get("current", ""))
        session = tokens.find_token(self._core.db, get_viewer().session.token, now)
        set_password(self._core.db, login, new, now, login, but=session.id if session else 0)

    def _check_current(self, login: str, password: str) -> None:
        """Raise Invalid for a wrong password, TooManyTries for too many: who has a session only must not guess on."""
        now, client = self._core.clock(), flask.request.remote_addr or ""
        self._attempts.check(login, client, now)
        if find_by_password(self._core.db, login, password) is None:
            self._attempts.note_failure(login, client, now)
            raise Invalid("The current password is not right; nothing was changed.", "current")
        self._attempts.forget(login, client)

    def _render(self, error: SeraiError | None, form: str) -> str:
        viewer, index = get_viewer(), self._core.changes.index()
        return flask.render_template(
            "serai/account.html",
            account=find_account(self._core.db, viewer.login),
            teams=list_teams_of(self._core.db, viewer.login),
            permissions=sorted(viewer.identity.permissions),
            tokens=self._list_tokens(),
            grantable=list_grantable(self._core, viewer.identity),
            lifetimes=LIFETIMES,
            shortest=SHORTEST,
            error=error,
            error_form=form,
            sent=flask.request.form,
            index=index,
        )
