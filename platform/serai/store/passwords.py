"""Passwords of accounts, of which the store keeps the argon2 hash alone."""

from __future__ import annotations

import threading
from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from serai.domain.accounts import Account
from serai.domain.errors import Conflict, Invalid

from .account_rows import AccountRow
from .accounts import create_account, end_sign_ins, find_account, get_account
from .database import Database
from .events import add_event

SHORTEST = 10
LONGEST = 1000
_HASHER = PasswordHasher()
# A hash takes 64 MiB while it is made: who sends many sign-ins at once must not take the server's memory.
_ROOM = threading.BoundedSemaphore(2)


def check_new_password(login: str, password: str) -> None:
    """Raise Invalid for a password that is too short, too long, or the login itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(
            f"password: {len(password)} characters are too {'few' if len(password) < SHORTEST else 'many'};"
            f" use {SHORTEST} to {LONGEST}",
            "password",
        )
    if password.strip().lower() == login:
        raise Invalid("password: this is the login; think of another one", "password")
    try:
        password.encode()
    except UnicodeEncodeError as error:
        raise Invalid("password: it holds what is not text; think of another one", "password") from error


def open_account(db: Database, account: Account, password: str | None, actor: str) -> Account:
    """Store a new account with its first password, None for none yet, and return it.

    Raise what `create_account` and `check_new_password` raise; then nothing is stored.
    """
    if password is not None:
        check_new_password(account.login, password)
    hashed = None if password is None else _hash(password)
    with db.write():
        create_account(db, account, actor)
        if hashed is not None:
            keep_password(db, account.login, hashed, account.created_at, actor)
        return get_account(db, account.login)


def set_password(db: Database, login: str, password: str, now: datetime, actor: str, but: int = 0) -> None:
    """Give an account a password, and end its sign-ins, all but the session token with the id `but`.

    Raise NotFound, Invalid for the password, Conflict for an account that a plugin signs in.
    """
    hashed = hash_new_password(db, login, password)
    with db.write():
        keep_password(db, login, hashed, now, actor, but)


def hash_new_password(db: Database, login: str, password: str) -> str:
    """Return what `keep_password` stores of a password: apart from it, as no transaction should take so long.

    Raise NotFound, Invalid for the password, Conflict for an account that a plugin signs in.
    """
    check_new_password(login, password)
    check_own(get_account(db, login))
    return _hash(password)


def keep_password(
    db: Database, login: str, hashed: str, now: datetime, actor: str, but: int = 0, how: str = ""
) -> None:
    """Store an account's new password in the caller's transaction, and end its sign-ins, all but the token `but`.

    `how` says for the timeline how it came about. Raise NotFound, or Conflict for an account that a plugin signs in.
    """
    check_own(get_account(db, login))
    AccountRow.update(password_hash=hashed).where(AccountRow.login == login).execute(db.peewee)
    end_sign_ins(db, login, but)
    add_event(db, now, "account.changed", "", text=f"{login}: new password{how and f', {how}'}", actor=actor)


def check_own(account: Account) -> None:
    """Raise Conflict for an account whose password somebody else keeps."""
    if account.provider:
        raise Conflict(
            f"{account.login} signs in by {account.provider}, so Serai keeps no password for it", "account-provided"
        )


def find_by_password(db: Database, login: str, password: str) -> Account | None:
    """Return the account whose password this is, None for a wrong one, no such account, or a disabled one.

    The work is the same for all of them, so that the time taken does not tell which logins there are.
    """
    with db.read():
        hashed = AccountRow.select(AccountRow.password_hash).where(AccountRow.login == login).scalar(db.peewee)
    is_right = _verify(hashed or _decoy(), password)
    account = find_account(db, login)
    if hashed is None or not is_right or account is None or account.is_disabled or account.provider:
        return None
    if _HASHER.check_needs_rehash(hashed):
        _keep(db, login, hashed, _hash(password))
    return account


def _keep(db: Database, login: str, old: str, new: str) -> None:
    """Put a hash with the parameters of today in the place of an older one, unless somebody was faster."""
    with db.write():
        same = (AccountRow.login == login) & (AccountRow.password_hash == old)
        AccountRow.update(password_hash=new).where(same).execute(db.peewee)


def _hash(password: str) -> str:
    with _ROOM:
        return _HASHER.hash(password)


def _verify(hashed: str, password: str) -> bool:
    try:
        with _ROOM:
            return _HASHER.verify(hashed, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


@cache
def _decoy() -> str:
    """Return a hash that no sign-in matches, for those that have none."""
    return _hash("nobody's password")
