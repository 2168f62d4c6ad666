"""Codes with which a person sets the password of an account, once: who forgot it, or who is invited and has none yet.

An administrator hands the code on as an address (`serai.web.reset_address`). An account has one at most; a new one, a
new password, and disabling the account make it void.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from serai.domain.accounts import Account
from serai.domain.errors import Conflict, Invalid, Unauthenticated

from .account_rows import ResetRow
from .accounts import get_account
from .database import Database
from .events import add_event
from .passwords import check_own, hash_new_password, keep_password
from .tokens import hash_secret

log = logging.getLogger(__name__)

LIFETIME = "24h"
_LONGEST_S = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Reset:
    """What is known of a code: whose password it sets, until when, and who made it; never the code itself."""

    login: str
    created_at: datetime
    created_by: str
    expires_at: datetime


def make_reset(db: Database, login: str, lifetime_s: float, now: datetime, actor: str) -> tuple[Reset, str]:
    """Return a new reset and its code, 256 random bits of which the store keeps the SHA-256; an older one is void.

    Raise NotFound; Conflict for an account that is disabled or that a plugin signs in; Invalid for a lifetime that
    is none or above 30 days.
    """
    if not 0 < lifetime_s <= _LONGEST_S:
        raise Invalid(f"expires_in: {lifetime_s:.0f} seconds are too few or too many; give at most 30d", "expires_in")
    code = secrets.token_urlsafe(32)
    made = Reset(login, now, actor, now + timedelta(seconds=lifetime_s))
    with db.write():
        _check_usable(get_account(db, login))
        ResetRow.delete().where(ResetRow.login == login).execute(db.peewee)
        ResetRow.insert(
            login=login, hash=hash_secret(code), created_at=now, created_by=actor, expires_at=made.expires_at
        ).execute(db.peewee)
        text = f"{login}: an address to set a password, until {made.expires_at:%F %T} UTC"
        add_event(db, now, "account.reset", "", text=text, actor=actor)
    log.info("an address to set the password of %s was made for %s", login, actor)
    return made, code


def find_reset(db: Database, code: str, now: datetime) -> Reset | None:
    """Return what a code is for, None if it was never one, is used, void or too old."""
    with db.read():
        row = ResetRow.select().where(ResetRow.hash == hash_secret(code)).first(db.peewee)
    return None if row is None or row.expires_at <= now else _to_reset(row)


def use_reset(db: Database, code: str, password: str, now: datetime) -> Account:
    """Give the account of a code its new password, end its sign-ins and return it; the code is used up.

    Raise Unauthenticated for a code that does nothing (any more); Invalid for the password, and the code goes on.
    """
    hashed = hash_new_password(db, get_reset(db, code, now).login, password)
    with db.write():
        reset = get_reset(db, code, now)  # one of two who come at once finds none
        how = f"by the address that {reset.created_by} made"
        keep_password(db, reset.login, hashed, now, reset.login, how=how)
        return get_account(db, reset.login)


def get_reset(db: Database, code: str, now: datetime) -> Reset:
    """Return what a code is for, or raise Unauthenticated."""
    reset = find_reset(db, code, now)
    if reset is None:
        raise Unauthenticated(
            "This address was used already, is too old, or another one took its place. Ask an administrator for a new"
            " one.",
            "reset-code",
        )
    return reset


def _check_usable(account: Account) -> None:
    check_own(account)
    if account.is_disabled:
        raise Conflict(f"the account {account.login!r} is disabled; enable it first", "account-disabled")


def _to_reset(row: ResetRow) -> Reset:
    return Reset(row.login, row.created_at, row.created_by, row.expires_at)
