"""The store of keys on SQLite and PostgreSQL: what is kept, what is let in, and what a rotation leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from serai.domain.deployment import Deployment, Settings
from serai.domain.errors import NotFound, PluginError
from serai.domain.keys import KeyWish
from serai.domain.window import Window
from serai.store.database import Database
from serai_apikey.key_ring import KeyRing
from serai_apikey.last_use import LastUse
from serai_apikey.store import ApiKeyStore
from serai_apikey.tables import migrate
from tests.store.conftest import db, open_database, postgres, url  # noqa: F401

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def make_deployment(name: str, owner: str = "ann", born_at: datetime = NOW) -> Deployment:
    return Deployment(name, owner, Settings(), born_at, born_at)


DIGITS, OTHER = make_deployment("digits"), make_deployment("other", "bob")


@pytest.fixture
def store(db: Database) -> ApiKeyStore:  # noqa: F811
    migrate(db)
    return ApiKeyStore(db, KeyRing(db))


def wish(*deployments: Deployment, owner: str = "ann", ends: datetime | None = None) -> KeyWish:
    return KeyWish("ci", owner, deployments or None, ends)


def hashes(store: ApiKeyStore, deployment: Deployment) -> set[str]:
    return {grant.key_hash for grant in store.ring.grants(deployment)}


def sha(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def test_a_secret_has_256_bits_and_only_its_hash_is_kept(store: ApiKeyStore, db: Database) -> None:  # noqa: F811
    made = [store.create(wish(), NOW, "ann") for _ in range(3)]
    assert len({secret for _, secret in made}) == 3
    for key, secret in made:
        assert secret.startswith("sk_") and len(secret) == 3 + 43 and secret.startswith(key.prefix)
    with db.read():
        kept = str([db.peewee.execute_sql(f"SELECT * FROM {t}").fetchall() for t in ("apikey", "apikey_secret")])
    assert all(secret not in kept and secret[9:] not in kept and sha(secret) in kept for _, secret in made)


@pytest.mark.parametrize(
    ("named", "owner", "opened"),
    [
        ((), "ann", {"digits"}),
        ((), "bob", {"other"}),
        ((), "eve", set()),
        ((DIGITS,), "eve", {"digits"}),
        ((DIGITS, OTHER), "ann", {"digits", "other"}),
    ],
)
def test_a_key_opens_what_its_owner_has_or_what_it_names(
    store: ApiKeyStore, named: tuple[Deployment, ...], owner: str, opened: set[str]
) -> None:
    key, secret = store.create(wish(*named, owner=owner), NOW, "ann")
    store.refresh()
    assert {d.name for d in (DIGITS, OTHER) if sha(secret) in hashes(store, d)} == opened
    assert {d.name for d in (DIGITS, OTHER) if key.opens(d)} == opened


def test_editing_changes_reach_name_and_end_and_keeps_the_secret(store: ApiKeyStore) -> None:
    key, secret = store.create(wish(DIGITS), NOW, "ann")
    ends = NOW + HOUR
    key = store.change(key.id, KeyWish("new", "ann", (OTHER,), ends))
    store.refresh()
    assert (key.name, key.deployments, key.expires_at) == ("new", ("other",), ends)
    assert hashes(store, DIGITS) == set() and hashes(store, OTHER) == {sha(secret)}
    assert [grant.expires_at for grant in store.ring.grants(OTHER)] == [ends.timestamp()]
    key = store.change(key.id, KeyWish("new", "ann", None, None, keeps_deployments=True))
    assert key.deployments == ("other",)
    key = store.change(key.id, KeyWish("new", "ann", None, None))
    store.refresh()
    assert key.deployments is None and hashes(store, DIGITS) == {sha(secret)} and hashes(store, OTHER) == set()


def test_rotation_lets_both_secrets_in_for_the_overlap(store: ApiKeyStore) -> None:
    key, first = store.create(wish(), NOW, "ann")
    key, second = store.rotate(key.id, NOW, 3600)
    store.refresh()
    ends = {grant.key_hash: grant.expires_at for grant in store.ring.grants(DIGITS)}
    assert ends == {sha(first): (NOW + HOUR).timestamp(), sha(second): None}
    assert [secret.prefix for secret in key.secrets] == [second[:9], first[:9]]
    key, third = store.rotate(key.id, NOW + timedelta(minutes=1), 24 * 3600)  # never lengthens an overlap
    store.refresh()
    ends = {grant.key_hash: grant.expires_at for grant in store.ring.grants(DIGITS)}
    assert ends[sha(first)] == (NOW + HOUR).timestamp() and ends[sha(third)] is None
    key, _ = store.rotate(key.id, NOW + 2 * HOUR, 0)
    assert first[:9] not in {secret.prefix for secret in key.secrets}


def test_a_revoked_key_is_gone_with_all_its_secrets(store: ApiKeyStore) -> None:
    key, _ = store.create(wish(DIGITS), NOW, "ann")
    store.rotate(key.id, NOW, 3600)
    assert store.revoke(key.id).name == "ci"
    store.refresh()
    assert hashes(store, DIGITS) == set() and store.list_keys() == []
    for verb in (store.get, store.revoke, lambda id: store.rotate(id, NOW, 0), lambda id: store.change(id, wish())):
        with pytest.raises(NotFound) as error:
            verb(key.id)
        assert error.value.code == "key-not-found"
    assert store.create(wish(), NOW, "ann")[0].id > key.id  # a number of the timeline never means another key


def test_until_it_is_refreshed_a_changed_store_is_asked_itself(store: ApiKeyStore) -> None:
    key, secret = store.create(wish(), NOW, "ann")
    assert hashes(store, DIGITS) == {sha(secret)}
    store.revoke(key.id)
    assert hashes(store, DIGITS) == set()


def test_a_change_that_is_undone_changes_nothing(store: ApiKeyStore, db: Database) -> None:  # noqa: F811
    with pytest.raises(RuntimeError), db.write():
        store.create(wish(), NOW, "ann")
        raise RuntimeError
    store.refresh()
    assert store.list_keys() == [] and hashes(store, DIGITS) == set()


def test_a_deployment_that_gets_the_name_of_a_deleted_one_is_not_opened(store: ApiKeyStore) -> None:
    key, secret = store.create(wish(DIGITS, OTHER), NOW, "ann")
    store.refresh()
    assert hashes(store, make_deployment("digits", born_at=NOW + HOUR)) == set()  # nobody had to forget anything
    store.forget_deployment("digits", NOW + HOUR)
    assert store.get(key.id).deployments == ("other",) and hashes(store, OTHER) == {sha(secret)}
    store.forget_deployment("other", NOW + HOUR)
    assert store.get(key.id).deployments == () and hashes(store, OTHER) == set()


def test_the_grant_of_an_ended_key_says_since_when(store: ApiKeyStore) -> None:
    """Gateways go by the end themselves, and tell a caller that the key has expired."""
    ended = NOW - HOUR
    store.create(wish(ends=ended), NOW - 2 * HOUR, "ann")
    store.refresh()
    assert [grant.expires_at for grant in store.ring.grants(DIGITS)] == [ended.timestamp()]


def test_the_last_use_comes_from_windows_and_never_goes_back(store: ApiKeyStore, db: Database) -> None:  # noqa: F811
    key, _ = store.create(wish(), NOW, "ann")
    store.rotate(key.id, NOW, 3600)
    store.refresh()
    old, new = (grant.key_id for grant in store.ring.grants(DIGITS))
    sink = LastUse(db)

    def tell(sequence: int, **keys: float) -> None:
        sink.write_windows([Window("g", sequence, 0.0, 10.0, {}, {id.lstrip("_"): at for id, at in keys.items()})])

    assert store.get(key.id).last_used_at is None
    tell(1, **{f"_{old}": NOW.timestamp() + 5, "_else": 1.0, "_999": 1.0})
    tell(2, **{f"_{old}": NOW.timestamp() + 3, f"_{new}": NOW.timestamp() + 4})
    newest, oldest = store.get(key.id).secrets
    assert (newest.last_used_at, oldest.last_used_at) == (NOW + timedelta(seconds=4), NOW + timedelta(seconds=5))
    assert store.get(key.id).last_used_at == NOW + timedelta(seconds=5)


def test_keys_outlive_the_server(
    url: str,  # noqa: F811
    open_database: Callable[[str], Database],  # noqa: F811
) -> None:
    first = open_database(url)
    migrate(first)
    _, secret = ApiKeyStore(first, KeyRing(first)).create(wish(), NOW, "ann")
    first.close()
    second = open_database(url)
    migrate(second)
    assert {grant.key_hash for grant in KeyRing(second).grants(DIGITS)} == {sha(secret)}


def test_tables_of_a_newer_serai_are_refused(store: ApiKeyStore, db: Database) -> None:  # noqa: F811
    with db.write():
        db.peewee.execute_sql("INSERT INTO apikey_step (number) VALUES (2)")
    with pytest.raises(PluginError, match="step 2"):
        migrate(db)
