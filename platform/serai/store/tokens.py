"""Tokens of the control plane: who may call the API. The plaintext is shown once and never stored."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import peewee

from serai.domain.accounts import Account
from serai.domain.errors import Invalid, NotFound
from serai.plugin.identity import Permission

from .account_rows import AccountRow
from .accounts import to_account
from .database import Database
from .rows import TokenRow

log = logging.getLogger(__name__)

MARK = "serai_"
_PREFIX_LENGTH = len(MARK) + 6  # enough to recognise a token in a list, far too little to guess it
_TOUCH_EVERY_S = 60.0


class TokenKind(StrEnum):
    """What made it: somebody (PERSONAL), a browser's sign-in (SESSION), or a program's with a password (LOGIN).

    Those of sign-ins end with a new password, and with the account's disabling.
    """

    PERSONAL = "personal"
    SESSION = "session"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token: whose it is and what it may do, never the token itself.

    `prefix` are its first characters, to recognise it by. `expires_at` None is never; `last_used_at` is a minute
    exact.
    """

    id: int
    name: str
    login: str
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    prefix: str
    kind: TokenKind = TokenKind.PERSONAL


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who calls: a token and the account of its login, None for a token that an administrator made for a program."""

    token: Token
    account: Account | None


def create_token(
    db: Database,
    name: str,
    login: str,
    permissions: Iterable[Permission],
    now: datetime,
    expires_at: datetime | None = None,
    kind: TokenKind = TokenKind.PERSONAL,
) -> tuple[Token, str]:
    """Return a new token and its plaintext: `serai_` and 256 random bits, of which the store keeps the SHA-256."""
    if expires_at is not None and expires_at <= now:
        raise Invalid(f"expires_at: {expires_at.isoformat()} has passed already", "expires_at")
    plaintext = MARK + secrets.token_urlsafe(32)
    with db.write():
        id = TokenRow.insert(
            name=name,
            login=login,
            permissions=" ".join(sorted(permissions)),
            prefix=plaintext[:_PREFIX_LENGTH],
            hash=hash_secret(plaintext),
            created_at=now,
            expires_at=expires_at,
            kind=kind,
        ).execute(db.peewee)
        row = TokenRow.select().where(TokenRow.id == id).first(db.peewee)
    log.info("token %d (%s) created for %s", id, name, login)
    return _to_token(row), plaintext


def find_token(db: Database, plaintext: str, now: datetime) -> Token | None:
    """Return the token with this plaintext, None if there is none or it has expired.

    It is looked up by its hash, so the time taken tells nothing about how much of a guess was right.
    """
    if not plaintext.startswith(MARK):
        return None
    with db.read():
        row = TokenRow.select().where(TokenRow.hash == hash_secret(plaintext)).first(db.peewee)
    return _to_token(row) if row is not None and _is_current(row, now) else None


def find_bearer(db: Database, plaintext: str, now: datetime) -> Bearer | None:
    """Return what `find_token` finds, with the account of its login, by one query: every call asks for both."""
    if not plaintext.startswith(MARK):
        return None
    own = AccountRow.login == TokenRow.login
    both = TokenRow.select(TokenRow, AccountRow).join(AccountRow, peewee.JOIN.LEFT_OUTER, on=own, attr="account")
    with db.read():
        row = both.where(TokenRow.hash == hash_secret(plaintext)).first(db.peewee)
    if row is None or not _is_current(row, now):
        return None
    account = getattr(row, "account", None)
    return Bearer(_to_token(row), None if account is None else to_account(account))


def is_token_alive(db: Database, id: int, now: datetime) -> bool:
    """Return whether there is a token with this id that has not expired."""
    with db.read():
        row = TokenRow.select().where(TokenRow.id == id).first(db.peewee)
    return row is not None and _is_current(row, now)


def list_tokens(db: Database, login: str | None = None) -> list[Token]:
    """Return every token, or those of a login; expired ones too, oldest first."""
    query = TokenRow.select().order_by(TokenRow.id)
    if login is not None:
        query = query.where(TokenRow.login == login)
    with db.read():
        return [_to_token(row) for row in query.execute(db.peewee)]


def get_token(db: Database, id: int) -> Token:
    """Return a token, or raise NotFound."""
    with db.read():
        row = TokenRow.select().where(TokenRow.id == id).first(db.peewee)
    if row is None:
        raise _not_found(id)
    return _to_token(row)


def revoke_token(db: Database, id: int) -> None:
    """Delete a token, which is refused from then on; raise NotFound if there is none with this id."""
    with db.write():
        if not TokenRow.delete().where(TokenRow.id == id).execute(db.peewee):
            raise _not_found(id)
    log.info("token %d revoked", id)


def prune_sessions(db: Database, now: datetime) -> int:
    """Forget the sign-ins that ended by themselves and return how many they were."""
    over = (TokenRow.kind != TokenKind.PERSONAL) & (TokenRow.expires_at < now)
    with db.read():
        if not TokenRow.select().where(over).first(db.peewee):
            return 0
    with db.write():
        return int(TokenRow.delete().where(over).execute(db.peewee))


def touch_token(db: Database, token: Token, now: datetime) -> None:
    """Note that a token, as it was just read, is used; at most once a minute is anything written.

    One that was revoked meanwhile is ignored.
    """
    if _is_noted(token.last_used_at, now):
        return
    with db.write():
        TokenRow.update(last_used_at=now).where(TokenRow.id == token.id).execute(db.peewee)


def _not_found(id: int) -> NotFound:
    return NotFound(f"no token with the id {id}", "token-not-found")


def _is_current(row: TokenRow, now: datetime) -> bool:
    return row.expires_at is None or row.expires_at > now


def _is_noted(last_used_at: datetime | None, now: datetime) -> bool:
    # abs: a clock that was ahead once must not stop the notes until that time comes.
    return last_used_at is not None and abs((now - last_used_at).total_seconds()) < _TOUCH_EVERY_S


def hash_secret(plaintext: str) -> str:
    """Return what is stored of a secret of 256 random bits: its SHA-256, which needs no salt and no work then."""
    return hashlib.sha256(plaintext.encode("utf-8", "surrogateescape")).hexdigest()


def _to_token(row: TokenRow) -> Token:
    permissions = frozenset(Permission(text) for text in row.permissions.split())
    return Token(
        id=row.id,
        name=row.name,
        login=row.login,
        permissions=permissions,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        prefix=row.prefix,
        kind=TokenKind(row.kind),
    )
