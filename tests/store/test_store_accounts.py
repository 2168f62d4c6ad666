"""Accounts, passwords and teams, as they are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serai.domain.accounts import Account, Role, Team, check_login, check_team, describe_owner, team_of
from serai.domain.errors import Conflict, Forbidden, Invalid, NotFound
from serai.plugin.identity import Permission
from serai.store import accounts, passwords, teams, tokens
from serai.store.database import Database
from serai.store.events import list_events
from tests.store.intent import NOW, later

PASSWORD = "correct horse battery"


def make(db: Database, login: str = "ann", role: Role = Role.MEMBER, provider: str = "") -> Account:
    return accounts.create_account(db, Account(login, "", "", role, NOW, provider=provider), "root")


@pytest.mark.parametrize("text", ["", "team:x", "-a", "a b", "ä", "a" * 101, "a\nb", "a/b"])
def test_what_cannot_be_a_login(text: str) -> None:
    with pytest.raises(Invalid, match="cannot be a login"):
        check_login(text)


def test_words_of_people() -> None:
    assert check_login(" Ann@Example.org ") == "ann@example.org"
    assert (team_of("team:vision"), team_of("ann")) == ("vision", None)
    assert (describe_owner("team:vision"), describe_owner("ann")) == ("team vision", "ann")
    with pytest.raises(Invalid, match="cannot name a team"):
        check_team("Not A Team")


def test_the_life_of_an_account(db: Database) -> None:
    ann = make(db)
    assert accounts.list_accounts(db) == [ann] == [accounts.get_account(db, "ann")]
    with pytest.raises(Conflict, match="already"):
        make(db)
    with pytest.raises(Conflict, match="installation's own"):
        make(db, "admin")
    viewer = accounts.change_account(db, replace(ann, role=Role.VIEWER, name="Ann"), later(1), "root")
    assert (viewer.role, viewer.name) == (Role.VIEWER, "Ann")
    accounts.note_sign_in(db, "ann", later(2))
    assert accounts.get_account(db, "ann").last_sign_in_at == later(2)
    tokens.create_token(db, "ci", "ann", [Permission.READ], NOW)
    accounts.delete_account(db, "ann", later(3), "root")
    assert accounts.find_account(db, "ann") is None and tokens.list_tokens(db) == []
    with pytest.raises(NotFound, match="no account 'ann'"):
        accounts.delete_account(db, "ann", later(3), "root")
    said = [(event.kind, event.text, event.actor) for event in reversed(list_events(db))]
    assert said == [
        ("account.created", "ann, member", "root"),
        ("account.changed", "ann: name: none -> Ann, role: member -> viewer", "root"),
        ("account.deleted", "ann", "root"),
    ]


def test_passwords_are_kept_as_argon2_and_found_by_login(db: Database) -> None:
    make(db)
    assert passwords.find_by_password(db, "ann", PASSWORD) is None
    passwords.set_password(db, "ann", PASSWORD, NOW, "root")
    found = passwords.find_by_password(db, "ann", PASSWORD)
    assert found is not None and found.has_password
    for login, password in (("ann", PASSWORD + "x"), ("ann", ""), ("bob", PASSWORD), ("ann", "\udcff")):
        assert passwords.find_by_password(db, login, password) is None
    with db.read():
        rows = repr(db.peewee.execute_sql("SELECT * FROM account").fetchall())
    assert PASSWORD not in rows and "$argon2id$" in rows
    accounts.change_account(db, replace(found, is_disabled=True), NOW, "root")
    assert passwords.find_by_password(db, "ann", PASSWORD) is None


@pytest.mark.parametrize("password", ["", "short", "x" * 1001, "long enough 0" * 100, "long enough \udcff"])
def test_what_cannot_be_a_password(db: Database, password: str) -> None:
    make(db)
    with pytest.raises(Invalid, match="password"):
        passwords.set_password(db, "ann", password, NOW, "root")
    assert not accounts.get_account(db, "ann").has_password


def test_a_new_password_ends_sign_ins_and_keeps_tokens(db: Database) -> None:
    make(db)
    kinds = (tokens.TokenKind.SESSION, tokens.TokenKind.SESSION, tokens.TokenKind.LOGIN, tokens.TokenKind.PERSONAL)
    here, _, _, made = [tokens.create_token(db, "x", "ann", [Permission.READ], NOW, None, kind)[0] for kind in kinds]
    passwords.set_password(db, "ann", PASSWORD, NOW, "ann", here.id)
    assert tokens.list_tokens(db, "ann") == [here, made]
    accounts.change_account(db, replace(accounts.get_account(db, "ann"), is_disabled=True), NOW, "root")
    assert tokens.list_tokens(db) == [made]


def test_sessions_that_ended_are_forgotten(db: Database) -> None:
    for kind in tokens.TokenKind:
        tokens.create_token(db, "x", "ann", [Permission.READ], NOW, later(60), kind)
    assert (tokens.prune_sessions(db, later(59)), tokens.prune_sessions(db, later(61))) == (0, 2)
    assert [token.kind for token in tokens.list_tokens(db)] == [tokens.TokenKind.PERSONAL]


def test_who_is_vouched_for_is_known_by_provider_and_subject(db: Database) -> None:
    def arrive(login: str, subject: str, provider: str = "oidc") -> Account:
        return accounts.ensure_account(db, login, "", "", Role.MEMBER, NOW, provider=provider, subject=subject)

    assert arrive("Ann", "1").login == "ann"
    assert arrive("renamed", "1").login == "ann"
    with pytest.raises(Conflict, match="already"):
        arrive("ann", "2")
    tokens.create_token(db, "x", "robot", [Permission.READ], NOW)
    with pytest.raises(Conflict, match="without an account"):
        arrive("robot", "3")
    make(db, "bob", Role.VIEWER, "oidc")
    assert arrive("bob", "4").role is Role.VIEWER
    with pytest.raises(Conflict, match="signs in by oidc"):
        passwords.set_password(db, "bob", PASSWORD, NOW, "root")
    accounts.change_account(db, replace(accounts.get_account(db, "bob"), is_disabled=True), NOW, "root")
    with pytest.raises(Forbidden, match="disabled"):
        arrive("bob", "4")


def test_teams_own_together(db: Database) -> None:
    make(db)
    make(db, "bob")
    team = teams.create_team(db, Team("vision", "Cameras", NOW, ("ann",)), "root")
    assert teams.list_teams(db) == [team] and team.owner == "team:vision"
    assert teams.owners_of(db, "ann") == {"ann", "team:vision"}
    assert teams.join_team(db, "vision", "bob", NOW, "root").members == ("ann", "bob")
    assert teams.leave_team(db, "vision", "ann", NOW, "root").members == ("bob",)
    with pytest.raises(Invalid, match="no account 'zoe'"):
        teams.join_team(db, "vision", "zoe", NOW, "root")
    with pytest.raises(Conflict, match="already"):
        teams.create_team(db, Team("vision", "", NOW), "root")
    assert teams.check_owner(db, "team:vision") == "team:vision"
    for nobody in ("team:none", "zoe"):
        with pytest.raises(Invalid, match="there is no"):
            teams.check_owner(db, nobody)
    accounts.delete_account(db, "bob", NOW, "root")
    assert teams.get_team(db, "vision").members == ()
    teams.delete_team(db, "vision", NOW, "root")
    with pytest.raises(NotFound, match="no team 'vision'"):
        teams.get_team(db, "vision")
