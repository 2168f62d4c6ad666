"""Addresses at which a password is set: once, for a while, for one account, and what makes them void."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from serai.domain.accounts import Account, Role
from serai.domain.errors import Conflict, Invalid, NotFound, Unauthenticated
from serai.plugin.identity import Permission
from serai.store import accounts, passwords, resets, tokens
from serai.store.database import Database
from serai.store.events import list_events
from tests.store.intent import NOW, at_once, later

PASSWORD, OTHER = "correct horse battery", "staple of another kind"
DAY_S = 86400.0


@pytest.fixture
def ann(db: Database) -> Account:
    return accounts.create_account(db, Account("ann", "", "", Role.MEMBER, NOW), "root")


def change(db: Database, **fields: object) -> None:
    account = accounts.get_account(db, "ann")
    accounts.change_account(db, replace(account, **fields), NOW, "root")  # type: ignore[arg-type]


def test_a_code_sets_a_password_once_and_ends_sign_ins(db: Database, ann: Account) -> None:
    kinds = tuple(tokens.TokenKind)
    made = {kind: tokens.create_token(db, "x", "ann", [Permission.READ], NOW, None, kind)[0] for kind in kinds}
    reset, code = resets.make_reset(db, "ann", DAY_S, NOW, "root")
    assert (reset.login, reset.created_by, reset.expires_at) == ("ann", "root", later(DAY_S))
    assert resets.find_reset(db, code, NOW) == reset
    assert resets.use_reset(db, code, PASSWORD, later(1)).has_password
    assert passwords.find_by_password(db, "ann", PASSWORD) is not None
    assert tokens.list_tokens(db) == [made[tokens.TokenKind.PERSONAL]]
    with pytest.raises(Unauthenticated, match="used already"):
        resets.use_reset(db, code, OTHER, later(2))
    assert passwords.find_by_password(db, "ann", OTHER) is None
    said = [(event.kind, event.text, event.actor) for event in list_events(db)]
    assert said[:2] == [
        ("account.changed", "ann: new password, by the address that root made", "ann"),
        ("account.reset", f"ann: an address to set a password, until {later(DAY_S):%F %T} UTC", "root"),
    ]


def test_a_code_is_kept_as_a_hash(db: Database, ann: Account) -> None:
    _, code = resets.make_reset(db, "ann", DAY_S, NOW, "root")
    with db.read():
        rows = repr(db.peewee.execute_sql("SELECT * FROM password_reset").fetchall())
    assert code not in rows and code[8:] not in rows
    assert len(code) == 43 and tokens.hash_secret(code) in rows


def test_a_password_that_is_refused_uses_nothing_up(db: Database, ann: Account) -> None:
    _, code = resets.make_reset(db, "ann", DAY_S, NOW, "root")
    for bad in ("short", "ann", "x" * 1001):
        with pytest.raises(Invalid):
            resets.use_reset(db, code, bad, NOW)
    assert resets.use_reset(db, code, PASSWORD, NOW)


VOIDS: dict[str, Callable[[Database], object]] = {
    "another one": lambda db: resets.make_reset(db, "ann", DAY_S, NOW, "root"),
    "a new password": lambda db: passwords.set_password(db, "ann", PASSWORD, NOW, "root"),
    "disabling": lambda db: change(db, is_disabled=True),
    "deleting": lambda db: accounts.delete_account(db, "ann", NOW, "root"),
}


@pytest.mark.parametrize("what", VOIDS)
def test_what_makes_a_code_void(db: Database, ann: Account, what: str) -> None:
    _, code = resets.make_reset(db, "ann", DAY_S, NOW, "root")
    VOIDS[what](db)
    assert resets.find_reset(db, code, NOW) is None
    with pytest.raises(Unauthenticated):
        resets.use_reset(db, code, OTHER, NOW)


def test_a_code_ends(db: Database, ann: Account) -> None:
    _, code = resets.make_reset(db, "ann", 60.0, NOW, "root")
    assert resets.find_reset(db, code, later(59.9)) is not None
    for nothing, now in ((code, later(60)), (code + "x", NOW), ("", NOW), ("\udcff", NOW)):
        assert resets.find_reset(db, nothing, now) is None


def test_of_two_who_use_a_code_at_once_one_sets_the_password(db: Database, ann: Account) -> None:
    _, code = resets.make_reset(db, "ann", DAY_S, NOW, "root")

    def act(index: int) -> str:
        try:
            resets.use_reset(db, code, f"the password number {index}", NOW)
        except Unauthenticated as error:
            return error.code
        return "done"

    assert sorted(at_once(2, act)) == ["done", "reset-code"]
    assert sum(event.kind == "account.changed" for event in list_events(db)) == 1


def test_for_whom_no_code_is_made(db: Database, ann: Account) -> None:
    with pytest.raises(NotFound, match="no account 'bob'"):
        resets.make_reset(db, "bob", DAY_S, NOW, "root")
    for lifetime_s in (0.0, -1.0, 30 * DAY_S + 1):
        with pytest.raises(Invalid, match="at most 30d"):
            resets.make_reset(db, "ann", lifetime_s, NOW, "root")
    change(db, is_disabled=True)
    with pytest.raises(Conflict, match="is disabled"):
        resets.make_reset(db, "ann", DAY_S, NOW, "root")
    change(db, is_disabled=False, provider="oidc")
    with pytest.raises(Conflict, match="signs in by oidc"):
        resets.make_reset(db, "ann", DAY_S, NOW, "root")


def test_who_is_signed_in_by_a_plugin_since_gets_no_password(db: Database, ann: Account) -> None:
    _, code = resets.make_reset(db, "ann", DAY_S, NOW, "root")
    change(db, provider="oidc")
    with pytest.raises(Conflict, match="signs in by oidc"):
        resets.use_reset(db, code, PASSWORD, NOW)
