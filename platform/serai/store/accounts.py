"""Accounts: who may sign in, in what role. Passwords are `serai.store.passwords`.

For plugins that sign people in (OIDC): `ensure_account` after the provider has vouched for somebody, then
`note_sign_in`; the session that follows is a token of the account's login, so that what a disabled or deleted account
had stops working by itself.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from serai.domain.accounts import RESERVED_LOGINS, Account, Role, check_login
from serai.domain.errors import Conflict, Forbidden, NotFound

from .account_rows import AccountRow, MembershipRow, ResetRow
from .database import Database
from .events import add_event
from .rows import DeploymentRow, TokenRow

log = logging.getLogger(__name__)


def find_account(db: Database, login: str) -> Account | None:
    """Return the account of a login, disabled ones too, None where there is none."""
    with db.read():
        row = AccountRow.select().where(AccountRow.login == login).first(db.peewee)
    return None if row is None else to_account(row)


def get_account(db: Database, login: str) -> Account:
    """Return the account of a login, or raise NotFound."""
    account = find_account(db, login)
    if account is None:
        raise NotFound(f"there is no account {login!r}; `serai users ls` lists those there are", "account-not-found")
    return account


def list_accounts(db: Database) -> list[Account]:
    """Return every account, by login."""
    with db.read():
        return [to_account(row) for row in AccountRow.select().order_by(AccountRow.login).execute(db.peewee)]


def create_account(db: Database, account: Account, actor: str) -> Account:
    """Store a new account, without a password yet, and return it. Raise Conflict for a login that is taken."""
    with db.write():
        _check_free(db, account.login)
        fixed = {"login": account.login, "created_at": account.created_at}
        AccountRow.insert(**fixed, **_changeable(account)).execute(db.peewee)
        text = f"{account.login}, {account.role}" + (f", signs in by {account.provider}" if account.provider else "")
        add_event(db, account.created_at, "account.created", "", text=text, actor=actor)
    return replace(account, has_password=False, last_sign_in_at=None)


def ensure_account(
    db: Database,
    login: str,
    name: str,
    email: str,
    role: Role,
    now: datetime,
    *,
    provider: str,
    subject: str,
    keeps_role: bool = True,
) -> Account:
    """Return the account of somebody whom a provider has just vouched for, made or brought up to date as needed.

    `provider` is the plugin's name (not empty), `subject` what never changes of the person there, whatever becomes of
    the login: an account once signed in is found by these two alone, and keeps its login. `login` is the login that a
    new account gets, put into lower case. An existing one takes name and email over, and its role only with
    `keeps_role` False (where the provider's groups decide).

    An administrator who makes an account with this provider and login beforehand decides its role; the first sign-in
    with that login then binds it to its subject.

    Raise Forbidden (`account-disabled`) for a disabled one; Conflict (`account-taken`) for a login that is another
    account's, the installation's own, or in use by a token or a deployment without an account: whoever has a name
    at a provider must not get what others have here. Raise Invalid for a login that none can be.
    """
    login = check_login(login)
    with db.write():
        known = _find_vouched(db, login, provider, subject)
        if known is None:
            _check_unused(db, login)
            new = Account(login, name, email, role, now, provider=provider, subject=subject)
            return create_account(db, new, provider)
        if known.is_disabled:
            raise Forbidden(f"the account {known.login!r} is disabled; ask an administrator", "account-disabled")
        wanted = replace(known, name=name, email=email, role=known.role if keeps_role else role, subject=subject)
        return change_account(db, wanted, now, provider)


def change_account(db: Database, account: Account, now: datetime, actor: str) -> Account:
    """Store an account as it is to be (name, email, role, provider, subject, disabled) and return it. Raise NotFound.

    Its password and its instants stay. Disabling ends its sign-ins for good; its other tokens sleep.
    """
    with db.write():
        old = get_account(db, account.login)
        AccountRow.update(**_changeable(account)).where(AccountRow.login == account.login).execute(db.peewee)
        if account.is_disabled and not old.is_disabled:
            end_sign_ins(db, account.login)
        if text := _describe_change(old, account):
            add_event(db, now, "account.changed", "", text=f"{account.login}: {text}", actor=actor)
        return get_account(db, account.login)


def delete_account(db: Database, login: str, now: datetime, actor: str) -> None:
    """Delete an account with its memberships and tokens. Raise NotFound, or Conflict while it owns deployments."""
    with db.write():
        get_account(db, login)
        if owned := _owned(db, login):
            raise Conflict(
                f"{login} owns {', '.join(owned)}; give them away first (`serai owner {owned[0]} <owner>`), or disable"
                " the account",
                "account-owns",
            )
        TokenRow.delete().where(TokenRow.login == login).execute(db.peewee)
        MembershipRow.delete().where(MembershipRow.login == login).execute(db.peewee)
        ResetRow.delete().where(ResetRow.login == login).execute(db.peewee)
        AccountRow.delete().where(AccountRow.login == login).execute(db.peewee)
        add_event(db, now, "account.deleted", "", text=login, actor=actor)


def note_sign_in(db: Database, login: str, now: datetime) -> None:
    """Note that somebody signed in now."""
    with db.write():
        AccountRow.update(last_sign_in_at=now).where(AccountRow.login == login).execute(db.peewee)


def end_sign_ins(db: Database, login: str, but: int = 0) -> int:
    """Revoke the tokens that signing in has made, all but the one with the id `but`, and return how many they were.

    An address at which the account's password could be set is void, too.
    """
    ours = (TokenRow.login == login) & (TokenRow.kind != "personal") & (TokenRow.id != but)
    with db.write():
        ResetRow.delete().where(ResetRow.login == login).execute(db.peewee)
        return int(TokenRow.delete().where(ours).execute(db.peewee))


def _find_vouched(db: Database, login: str, provider: str, subject: str) -> Account | None:
    """Return whom provider and subject mean, else the account that waits for this provider's first sign-in."""
    theirs = (AccountRow.provider == provider) & (AccountRow.subject == subject)
    row = AccountRow.select().where(theirs).first(db.peewee)
    if row is None:
        waiting = (AccountRow.login == login) & (AccountRow.provider == provider) & (AccountRow.subject == "")
        row = AccountRow.select().where(waiting).first(db.peewee)
    return None if row is None else to_account(row)


def _check_free(db: Database, login: str) -> None:
    if login in RESERVED_LOGINS:
        raise Conflict(f"the login {login!r} is the installation's own; choose another", "account-taken")
    if find_account(db, login) is not None:
        raise Conflict(f"there is an account {login!r} already; choose another login", "account-taken")


def _check_unused(db: Database, login: str) -> None:
    _check_free(db, login)
    if _owned(db, login) or TokenRow.select().where(TokenRow.login == login).first(db.peewee):
        raise Conflict(
            f"tokens or deployments of {login!r} are here already, without an account; an administrator can make one"
            " that signs in by this provider",
            "account-taken",
        )


def _owned(db: Database, owner: str) -> list[str]:
    query = DeploymentRow.select(DeploymentRow.name).where(DeploymentRow.owner == owner).order_by(DeploymentRow.name)
    return [row.name for row in query.execute(db.peewee)]


def _describe_change(old: Account, new: Account) -> str:
    """Return what an administrator's change comes to, "" where nothing that people see has changed."""
    parts = [
        f"{field}: {getattr(old, field) or 'none'} -> {getattr(new, field) or 'none'}"
        for field in ("name", "email", "role", "provider")
        if getattr(old, field) != getattr(new, field)
    ]
    if old.is_disabled != new.is_disabled:
        parts.append("disabled" if new.is_disabled else "enabled")
    return ", ".join(parts)


def _changeable(account: Account) -> dict[str, object]:
    """Return the columns that may become others."""
    return {field: getattr(account, field) for field in ("name", "email", "role", "is_disabled", "provider", "subject")}


def to_account(row: AccountRow) -> Account:
    """Return the account of a row."""
    return Account(
        login=row.login,
        name=row.name,
        email=row.email,
        role=Role(row.role),
        created_at=row.created_at,
        has_password=row.password_hash is not None,
        is_disabled=bool(row.is_disabled),
        provider=row.provider,
        subject=row.subject,
        last_sign_in_at=row.last_sign_in_at,
    )
