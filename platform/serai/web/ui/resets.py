"""Addresses at which a password is set: made on `/users`, used at `/login/new-password` by whoever has one."""

from __future__ import annotations

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import Invalid, SeraiError, Unauthenticated
from serai.reconcile.core import Core
from serai.store.passwords import SHORTEST
from serai.store.resets import get_reset, use_reset
from serai.web.problems import status_of
from serai.web.reset_address import PATH

from .forms import see
from .users import Page, UsersPage, show_address


class ResetPages:
    """Opening an address changes nothing, as programs that read mail open all they find; sending its form does."""

    def __init__(self, core: Core, users: UsersPage) -> None:
        self._core = core
        self._users = users

    def register(self, ui: Blueprint) -> None:
        ui.post("/users/<login>/reset", endpoint="reset_password")(self._users.guarded(self.make))
        ui.get(PATH, endpoint="new_password")(self.show)
        ui.post(PATH, endpoint="set_new_password")(self.use)

    def make(self, login: str) -> Page:
        """Make an address and show it: in this answer, never at a place that could be asked again."""

        def act() -> str:
            self._users.check_not_own(login)
            return show_address(self._core, login)

        return self._users.answer(f"account-{login}", "", act)

    def show(self) -> str | tuple[str, int]:
        return self._render(flask.request.args.get("code", ""), None)

    def use(self) -> Response | str | tuple[str, int]:
        """Set the password and have the person sign in with it."""
        form = flask.request.form
        code, password = form.get("code", ""), form.get("new", "")
        try:
            if password != form.get("again", ""):
                raise Invalid("The two passwords are not the same; type both again.", "again")
            use_reset(self._core.db, code, password, self._core.clock())
        except SeraiError as error:
            return self._render(code, error)
        self._core.changes.bump("")
        return see("ui.login", "password-chosen")

    def _render(self, code: str, error: SeraiError | None) -> str | tuple[str, int]:
        """Return the form of a code, or, where the code does nothing, the sentence that says so alone."""
        try:
            reset = get_reset(self._core.db, code, self._core.clock())
        except Unauthenticated as refusal:
            page = flask.render_template("serai/new_password.html", reset=None, error=refusal)
            return page, status_of(refusal)
        page = flask.render_template("serai/new_password.html", reset=reset, code=code, error=error, shortest=SHORTEST)
        return page, status_of(error) if error else 200
