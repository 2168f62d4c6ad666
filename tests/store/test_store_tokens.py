"""Tokens of the control plane."""

from __future__ import annotations

import hashlib
import logging

import pytest

from serai.domain.accounts import Account, Role
from serai.domain.errors import Invalid, NotFound
from serai.plugin.identity import Permission
from serai.store import tokens
from serai.store.accounts import create_account
from serai.store.database import Database
from tests.store.intent import NOW, later


def test_token_is_found_by_its_plaintext_alone(db: Database) -> None:
    permissions = {Permission.READ, Permission.WRITE}
    token, plaintext = tokens.create_token(db, "laptop", "ann", permissions, NOW, later(60))
    assert plaintext.startswith("serai_")
    assert plaintext.startswith(token.prefix)
    assert len(plaintext) - len(token.prefix) > 30, "a list must not give the token away"
    assert (token.name, token.login, token.permissions) == ("laptop", "ann", frozenset(permissions))
    assert (token.created_at, token.expires_at, token.last_used_at) == (NOW, later(60), None)
    assert tokens.find_token(db, plaintext, NOW) == token
    assert tokens.list_tokens(db) == [token]
    digest = hashlib.sha256(plaintext.encode()).hexdigest()
    for wrong in ("", "serai_", plaintext[:-1], plaintext + "x", plaintext.upper(), digest, "serai_\udcff\0"):
        assert tokens.find_token(db, wrong, NOW) is None


def test_plaintext_is_stored_nowhere(db: Database) -> None:
    _, plaintext = tokens.create_token(db, "laptop", "ann", [Permission.ADMIN], NOW)
    with db.read():
        rows = repr(db.peewee.execute_sql("SELECT * FROM token").fetchall())
    assert plaintext not in rows
    assert plaintext[20:] not in rows


def test_token_expires(db: Database) -> None:
    token, plaintext = tokens.create_token(db, "ci", "ann", [Permission.READ], NOW, later(60))
    assert tokens.find_token(db, plaintext, later(59.9)) == token
    assert tokens.find_token(db, plaintext, later(60)) is None
    with pytest.raises(Invalid, match="has passed already"):
        tokens.create_token(db, "ci", "ann", [Permission.READ], NOW, NOW)


def test_revoked_token_is_unknown_at_once(db: Database) -> None:
    (first, plaintext), (second, _) = (tokens.create_token(db, "x", "ann", [Permission.READ], NOW) for _ in range(2))
    tokens.revoke_token(db, first.id)
    assert tokens.find_token(db, plaintext, NOW) is None
    assert tokens.list_tokens(db) == [second]
    with pytest.raises(NotFound, match=f"no token with the id {first.id}"):
        tokens.revoke_token(db, first.id)
    tokens.touch_token(db, first, NOW)
    assert tokens.list_tokens(db) == [second]


def test_id_of_a_revoked_token_is_not_used_again(db: Database) -> None:
    old, _ = tokens.create_token(db, "x", "ann", [Permission.READ], NOW)
    tokens.revoke_token(db, old.id)
    assert tokens.create_token(db, "x", "ann", [Permission.READ], NOW)[0].id > old.id


@pytest.mark.parametrize(
    ("uses", "noted"),
    [([0], 0), ([0, 59], 0), ([0, 60], 60), ([0, 30, 61, 100], 61), ([5000, 100], 100)],
)
def test_use_is_noted_once_a_minute(db: Database, uses: list[float], noted: float) -> None:
    _, plaintext = tokens.create_token(db, "x", "ann", [Permission.READ], NOW)
    for seconds in uses:
        found = tokens.find_token(db, plaintext, NOW)
        assert found is not None
        tokens.touch_token(db, found, later(seconds))
    found = tokens.find_token(db, plaintext, NOW)
    assert found is not None
    assert found.last_used_at == later(noted)


def test_a_bearer_is_the_token_with_the_account_of_its_login_by_one_query(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ann = create_account(db, Account("ann", "Ann", "", Role.VIEWER, NOW), "root")
    (hers, plaintext), (robots, other) = (
        tokens.create_token(db, "x", login, [Permission.WRITE], NOW, later(60)) for login in ("ann", "robot")
    )
    caplog.set_level(logging.DEBUG, "peewee")
    assert tokens.find_bearer(db, plaintext, NOW) == tokens.Bearer(hers, ann)
    assert sum("SELECT" in str(record.msg) for record in caplog.records) == 1
    assert tokens.find_bearer(db, other, NOW) == tokens.Bearer(robots, None)
    for wrong, now in ((plaintext, later(60)), (plaintext + "x", NOW), ("", NOW), ("another", NOW)):
        assert tokens.find_bearer(db, wrong, now) is None
