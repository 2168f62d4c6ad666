"""Signing in by login and password, for pages and API alike: what is refused, how often, and what is said of it."""

from __future__ import annotations

from serai.domain.accounts import MAX_LOGIN, Account
from serai.domain.errors import Unauthenticated
from serai.reconcile.core import Core
from serai.store.accounts import note_sign_in
from serai.store.events import add_event
from serai.store.passwords import find_by_password

from .attempts import Attempts


def sign_in(core: Core, attempts: Attempts, login: str, password: str, client: str) -> Account:
    """Return the account of a login and its password, as somebody at the address `client` gives them.

    Raise TooManyTries, whatever is given; Unauthenticated, which says no more than that the two do not fit.
    """
    now, login = core.clock(), read_login(login)
    attempts.check(login, client, now)
    account = find_by_password(core.db, login, password)
    if account is None:
        if attempts.note_failure(login, client, now):
            text = f"as {login} from {client}: further ones are refused for a while"
            add_event(core.db, now, "sign-in.refused", "", text=text)
            core.changes.bump("")
        raise Unauthenticated("Login and password do not fit, or the account is disabled.", "wrong-password")
    attempts.forget(login, client)
    note_sign_in(core.db, login, now)
    return account


def read_login(text: str) -> str:
    """Return what was typed as the login of an account, which there may be or not."""
    return text.strip().lower()[:MAX_LOGIN]
