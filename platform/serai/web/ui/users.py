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
from serai.store.resets import LIFETIME
from serai.store.teams import list_teams
from serai.web.problems import status_of
from serai.web.reading import read_model
from serai.web.reset_address import make_reset_address
from serai.web.shapes.users import UserChangeBody

from .forms import check_confirmation, see
from .viewer import get_viewer

Page = str | Response | tuple[str, int]
RESET_LIFETIMES = ((LIFETIME, "a day"), ("1h", "an hour"), ("7d", "a week"))


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
        """Make an account; one without a password is shown the address at which the person sets it."""

        def act() -> str | None:
            account = self._create()
            return None if account.has_password else show_address(self._core, account.login)

        return self.answer("new-account", "account-made", act)

    def change_role(self, login: str) -> Page:
        def act() -> None:
            body = _read_account()
            self.check_not_own(login)
            account = accounts.get_account(self._core.db, login)
            self._change(replace(account, role=body.role or account.role))

        return self.answer(f"account-{login}", "saved", act)

    def change_state(self, login: str) -> Page:
        is_disabled = flask.request.form.get("state") == "disabled"

        def act() -> None:
            self.check_not_own(login)
            self._change(replace(accounts.get_account(self._core.db, login), is_disabled=is_disabled))

        return self.answer(f"account-{login}", "account-disabled" if is_disabled else "account-enabled", act)

    def set_password(self, login: str) -> Page:
        def act() -> None:
            self.check_not_own(login)
            password = flask.request.form.get("password", "")
            set_password(self._core.db, login, password, self._core.clock(), get_viewer().login)

        return self.answer(f"account-{login}", "password-set", act)

    def delete(self, login: str) -> Page:
        def act() -> None:
            self.check_not_own(login)
            check_confirmation(accounts.get_account(self._core.db, login).login)
            accounts.delete_account(self._core.db, login, self._core.clock(), get_viewer().login)

        return self.answer(f"account-{login}", "account-deleted", act)

    def answer(self, form: str, note: str, act: Callable[[], str | None]) -> Page:
        """Do what a form wants and see the page again, with what is wrong at the form if it cannot be done.

        Where `act` returns a page of its own, that is seen.
        """
        try:
            page = act()
        except (Invalid, Conflict) as error:
            return self.render(error, form), status_of(error)
        self._core.changes.bump("")
        return page or see("ui.users", note)

    def render(self, error: Invalid | Conflict | None, form: str) -> str:
        """Return the page, an error standing at the form it is about."""
        index = self._core.changes.index()
        return flask.render_template(
            "serai/users.html",
            accounts=accounts.list_accounts(self._core.db),
            teams=list_teams(self._core.db),
            roles=list(Role),
            shortest=SHORTEST,
            reset_lifetimes=RESET_LIFETIMES,
            error=error,
            error_form=form,
            sent=flask.request.form,
            index=index,
        )

    def _create(self) -> Account:
        form, body = flask.request.form, _read_account()
        login = check_login(form.get("login", ""))
        new = Account(login, body.name or "", body.email or "", body.role or Role.MEMBER, self._core.clock())
        return open_account(self._core.db, new, form.get("password") or None, get_viewer().login)

    def _change(self, account: Account) -> None:
        accounts.change_account(self._core.db, account, self._core.clock(), get_viewer().login)

    def check_not_own(self, login: str) -> None:
        """Keep administrators from shutting themselves out by a slip."""
        if login == get_viewer().login:
            raise Conflict(
                "This is your own account: another administrator changes its role, disables or deletes it; your"
                " password is on the page of your account."
            )


def show_address(core: Core, login: str) -> str:
    """Make an address at which the password of an account is set, and return the page that shows it once."""
    expires_in = flask.request.form.get("expires_in") or LIFETIME
    reset, url = make_reset_address(core, flask.request, login, expires_in, get_viewer().login)
    return flask.render_template("serai/reset_address.html", reset=reset, url=url)


def _read_account() -> UserChangeBody:
    """Return what the form says of an account. Raise Invalid as the API does."""
    form = flask.request.form
    return read_model(UserChangeBody, {key: form[key].strip() for key in ("name", "email", "role") if key in form})
