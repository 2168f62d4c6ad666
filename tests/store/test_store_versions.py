"""Versions: numbers, specs, secrets, deletion."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.errors import Conflict, NotFound
from serai.domain.quantity import Cpu
from serai.domain.spec import CheckKind, Gpu, Health, Mount, Placement, Resources, Spec
from serai.domain.spec_text import digest_spec
from serai.store import deployments, events, secrets, versions
from serai.store.database import Database
from tests.store.intent import NOW, SPEC, add_deployment, kinds, later, make_ready

RICH = Spec(
    bundle="sha256:" + "a1" * 32,
    image="registry.example/digits:1",
    command=("python", "serve.py", "--name", "Ünïcode 🙂"),
    port=9000,
    env={"A": "1", "B": "two\nlines"},
    resources=Resources(Cpu(cores=1.5), 4 << 30, Gpu(2, "A100|H100", 40 << 30)),
    health=Health(CheckKind.HTTP, "/healthz", 0.5, 0.25),
    start_timeout_s=5.5,
    start_attempts=9,
    queue_timeout_s=60,
    drain_timeout_s=0,
    placement=Placement("gpu", ("dc1", "dc2"), ("${node.class} = a100",)),
    mounts=(Mount("weights", "/models"), Mount("cache", "/cache", read_only=False)),
)


def test_added_version_is_read_back_as_it_was(db: Database) -> None:
    add_deployment(db)
    added = versions.add_version(db, "digits", RICH, {}, later(3), "bob")
    assert added.spec == RICH
    assert added.spec_digest == digest_spec(RICH)
    assert (added.number, added.run, added.started_at, added.outcome, added.progress) == (1, 0, None, None, None)
    assert (added.created_at, added.created_by) == (later(3), "bob")
    assert versions.get_version(db, "digits", 1) == added
    assert kinds(db)[-1] == ("version.created", 1)
    assert deployments.get_deployment(db, "digits").active is None


def test_versions_are_listed_newest_first(db: Database) -> None:
    add_deployment(db, "b", versions_count=2)
    add_deployment(db, "a", versions_count=11)
    assert [version.number for version in versions.list_versions(db, "a")] == list(range(11, 0, -1))
    listed = [(version.deployment, version.number) for version in versions.all_versions(db)]
    assert listed == [("a", number) for number in range(11, 0, -1)] + [("b", 2), ("b", 1)]


def test_missing_version_and_missing_deployment_are_told_apart(db: Database) -> None:
    add_deployment(db)
    for act in (versions.get_version, versions.load_secrets):
        with pytest.raises(NotFound, match="digits has no version 4"):
            act(db, "digits", 4)
        with pytest.raises(NotFound, match="no deployment named 'nope'"):
            act(db, "nope", 4)
    for change in (versions.activate, versions.deactivate, versions.delete_version):
        with pytest.raises(NotFound, match="digits has no version 4"):
            change(db, "digits", 4, NOW, "ann")
        with pytest.raises(NotFound, match="no deployment named 'nope'"):
            change(db, "nope", 4, NOW, "ann")
    with pytest.raises(NotFound, match="no deployment named 'nope'"):
        versions.list_versions(db, "nope")
    with pytest.raises(NotFound, match="no deployment named 'nope'"):
        versions.add_version(db, "nope", SPEC, {}, NOW, "ann")


def test_number_is_never_used_again(db: Database) -> None:
    add_deployment(db, versions_count=3)
    for number in (3, 2, 1):
        versions.delete_version(db, "digits", number, NOW, "ann")
    assert versions.list_versions(db, "digits") == []
    assert versions.add_version(db, "digits", SPEC, {}, NOW, "ann").number == 4
    assert kinds(db)[-2:] == [("version.deleted", 1), ("version.created", 4)]


def test_deployments_count_for_themselves(db: Database) -> None:
    add_deployment(db, "a", versions_count=2)
    add_deployment(db, "b", versions_count=1)
    assert versions.add_version(db, "b", SPEC, {}, NOW, "ann").number == 2


def test_active_and_incumbent_are_not_deleted(db: Database) -> None:
    add_deployment(db, versions_count=2)
    versions.activate(db, "digits", 1, NOW, "ann")
    make_ready(db, 1)
    versions.activate(db, "digits", 2, NOW, "ann")
    for number in (1, 2):
        with pytest.raises(Conflict, match=f"version {number} of digits is active") as refusal:
            versions.delete_version(db, "digits", number, NOW, "ann")
        assert refusal.value.code == "version-active"
    versions.deactivate(db, "digits", 1, NOW, "ann")
    versions.delete_version(db, "digits", 1, NOW, "ann")
    assert [version.number for version in versions.list_versions(db, "digits")] == [2]


def test_secret_values_stand_in_their_own_table_alone(db: Database) -> None:
    add_deployment(db)
    given = {"HF_TOKEN": "s3cret-välue", "OTHER": "s3cret-välue"}
    version = versions.add_version(db, "digits", SPEC, given, NOW, "ann")
    assert versions.load_secrets(db, "digits", 1) == given
    assert set(version.spec.secrets) == set(given)
    assert "välue" not in repr(version) + repr(events.list_events(db))
    assert len(set(version.spec.secrets.values())) == 2, "equal values under two names must not look equal"
    with db.read():
        tables = db.peewee.get_tables()
        holding = {
            table for table in tables if "välue" in repr(db.peewee.execute_sql(f"SELECT * FROM {table}").fetchall())
        }
    assert holding == {"secret"}


def test_same_secrets_make_the_same_digest_and_others_another(db: Database) -> None:
    add_deployment(db)
    digests = [
        versions.add_version(db, "digits", SPEC, values, NOW, "ann").spec_digest
        for values in ({"A": "1", "B": "2"}, {"B": "2", "A": "1"}, {"A": "1", "B": "3"}, {"A": "1"}, {})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_secrets_go_with_their_version(db: Database) -> None:
    add_deployment(db)
    for value in ("one", "two"):
        versions.add_version(db, "digits", SPEC, {"TOKEN": value}, NOW, "ann")
    versions.delete_version(db, "digits", 1, NOW, "ann")
    assert secrets.load_secret_values(db, "digits", 1) == {}
    assert versions.load_secrets(db, "digits", 2) == {"TOKEN": "two"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text("AB_", min_size=1, max_size=3), st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    )
)
def test_any_secret_comes_back(db: Database, values: dict[str, str]) -> None:
    with db.write():
        if "digits" not in {deployment.name for deployment in deployments.list_deployments(db)}:
            add_deployment(db)
    number = versions.add_version(db, "digits", SPEC, values, NOW, "ann").number
    assert versions.load_secrets(db, "digits", number) == values


def test_fingerprints_differ_between_databases(db: Database, tmp_path, open_database) -> None:
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    ours, theirs = (secrets.fingerprint_secrets(each, {"A": "1"}) for each in (db, other))
    assert ours == secrets.fingerprint_secrets(db, {"A": "1"})
    assert ours != theirs
    assert secrets.fingerprint_secrets(db, {}) == {}
