"""`/users`: accounts and teams, for administrators: made, changed, disabled and deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.accounts import Account, Role, check_login
from serai.domain.errors import Conflict, Invalid
from serai.plugin import Permission
from serai.reconcile.core import Core
from serai.store import accounts
from serai.store.passwords import SHORTEST, open_account, set_password
from serai.store.teams import list_teams
from serai.web.problems import status_of
from serai.web.reading import read_model
from serai.web.shapes.users import UserChangeBody

from .forms import check_confirmation, see
from .viewer import get_viewer

Page = str | Response | tuple[str, int]


class UsersPage:
    """What a form wants is done by a function; a refusal is said above the form, which keeps what was typed."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/users", endpoint="users")(self.guarded(self.show))
        ui.post("/users", endpoint="create_account")(self.guarded(self.create))
        ui.post("/users/<login>/role", endpoint="change_role")(self.guarded(self.change_role))
        ui.post("/users/<login>/state", endpoint="change_state")(self.guarded(self.change_state))
        ui.post("/users/<login>/password", endpoint="set_password")(self.guarded(self.set_password))
        ui.post("/users/<login>/delete", endpoint="delete_account")(self.guarded(self.delete))

    def guarded(self, view: Callable[..., Page]) -> Callable[..., Page]:
        """Return a view that only administrators get to; others get the page that says why not."""

        @wraps(view)
        def guard(**values: str) -> Page:
            self._core.plugins.authorize(get_viewer().identity, Permission.ADMIN)
            return view(**values)

        return guard

    def show(self) -> str:
        return self.render(None, "")

    def create(self) -> Page:
        return self.answer("new-account", "account-made", self._create)

    def change_role(self, login: str) -> Page:
        def act() -> None:
            body = _read_account()
            self._check_not_own(login)
            account = accounts.get_account(self._core.db, login)
            self._change(replace(account, role=body.role or account.role))

        return self.answer(f"account-{login}", "saved", act)

    def change_state(self, login: str) -> Page:
        is_disabled = flask.request.form.get("state") == "disabled"

        def act() -> None:
            self._check_not_own(login)
            self._change(replace(accounts.get_account(self._core.db, login), is_disabled=is_disabled))

        return self.answer(f"account-{login}", "account-disabled" if is_disabled else "account-enabled", act)

    def set_password(self, login: str) -> Page:
        def act() -> None:
            self._check_not_own(login)
            password = flask.request.form.get("password", "")
            set_password(self._core.db, login, password, self._core.clock(), get_viewer().login)

        return self.answer(f"account-{login}", "password-set", act)

    def delete(self, login: str) -> Page:
        def act() -> None:
            self._check_not_own(login)
            check_confirmation(accounts.get_account(self._core.db, login).login)
            accounts.delete_account(self._core.db, login, self._core.clock(), get_viewer().login)

        return self.answer(f"account-{login}", "account-deleted", act)

    def answer(self, form: str, note: str, act: Callable[[], None]) -> Page:
        """Do what a form wants and see the page again, with what is wrong at the form if it cannot be done."""
        try:
            act()
        except (Invalid, Conflict) as error:
            return self.render(error, form), status_of(error)
        self._core.changes.bump("")
        return see("ui.users", note)

    def render(self, error: Invalid | Conflict | None, form: str) -> str:
        """Return the page, an error standing at the form it is about."""
        index = self._core.changes.index()
        return flask.render_template(
            "serai/users.html",
            accounts=accounts.list_accounts(self._core.db),
            teams=list_teams(self._core.db),
            roles=list(Role),
            shortest=SHORTEST,
            error=error,
            error_form=form,
            sent=flask.request.form,
            index=index,
        )

    def _create(self) -> None:
        form, body = flask.request.form, _read_account()
        login = check_login(form.get("login", ""))
        new = Account(login, body.name or "", body.email or "", body.role or Role.MEMBER, self._core.clock())
        open_account(self._core.db, new, form.get("password") or None, get_viewer().login)

    def _change(self, account: Account) -> None:
        accounts.change_account(self._core.db, account, self._core.clock(), get_viewer().login)

    def _check_not_own(self, login: str) -> None:
        """Keep administrators from shutting themselves out by a slip."""
        if login == get_viewer().login:
            raise Conflict(
                "This is your own account: another administrator changes its role, disables or deletes it; your"
                " password is on the page of your account."
            )


def _read_account() -> UserChangeBody:
    """Return what the form says of an account. Raise Invalid as the API does."""
    form = flask.request.form
    return read_model(UserChangeBody, {key: form[key].strip() for key in ("name", "email", "role") if key in form})
