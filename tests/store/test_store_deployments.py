"""Deployments and their settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serai.domain.deployment import Access, HandoverMode, Scaling, Settings, Timeouts
from serai.domain.errors import Conflict, NotFound
from serai.store import deployments, events, secrets, versions
from serai.store.database import Database
from tests.store.intent import NOW, SPEC, add_deployment, kinds, later

RICH = Settings(7, Access.KEYS, HandoverMode.REPLACE, Scaling(1, 9, 3, 0.5), Timeouts(0.5, 1, 2, 3.25))


def test_created_deployment_is_read_back_as_it_was(db: Database) -> None:
    made = deployments.create_deployment(db, "digits", "ann", RICH, NOW, "bob")
    assert made == deployments.get_deployment(db, "digits")
    assert (made.name, made.owner, made.settings) == ("digits", "ann", RICH)
    assert (made.created_at, made.changed_at) == (NOW, NOW)
    assert (made.active, made.incumbent, made.handing) == (None, None, None)
    (event,) = events.list_events(db)
    assert (event.kind, event.deployment, event.at, event.actor) == ("deployment.created", "digits", NOW, "bob")


def test_deployments_are_listed_by_name(db: Database) -> None:
    for name in ("zebra", "ape-2", "ape"):
        add_deployment(db, name)
    assert [deployment.name for deployment in deployments.list_deployments(db)] == ["ape", "ape-2", "zebra"]


def test_name_is_taken_once(db: Database) -> None:
    add_deployment(db)
    with pytest.raises(Conflict, match="'digits' already"):
        add_deployment(db)
    assert kinds(db) == [("deployment.created", None)]


def test_missing_deployment_is_named(db: Database) -> None:
    with pytest.raises(NotFound, match="no deployment named 'nope'"):
        deployments.get_deployment(db, "nope")
    with pytest.raises(NotFound, match="no deployment named 'nope'"):
        deployments.change_settings(db, "nope", RICH, NOW, "ann")
    with pytest.raises(NotFound, match="no deployment named 'nope'"):
        deployments.delete_deployment(db, "nope", NOW, "ann")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(count=4), [("deployment.scaled", "2 -> 4")]),
        (Settings(count=2, access=Access.KEYS), [("deployment.changed", "access: public -> keys")]),
        (
            Settings(count=2, scaling=Scaling(max_replicas=4), timeouts=Timeouts(total_s=5)),
            [("deployment.changed", "scaling.max: 0 -> 4, timeouts.total: 0.0 -> 5")],
        ),
        (
            Settings(count=0, handover=HandoverMode.ROLLING),
            [("deployment.scaled", "2 -> 0"), ("deployment.changed", "handover: auto -> rolling")],
        ),
        (Settings(count=2), []),
    ],
)
def test_change_says_what_changed(db: Database, settings: Settings, expected: list[tuple[str, str]]) -> None:
    old = add_deployment(db)
    newest = events.last_event_id(db)
    changed = deployments.change_settings(db, "digits", settings, later(5), "bob")
    assert [(event.kind, event.text) for event in events.events_after(db, newest)] == expected
    assert changed.settings == settings
    assert (changed.revision > old.revision) is bool(expected)
    assert changed.changed_at == (later(5) if expected else NOW)
    assert changed.created_at == NOW
    assert deployments.get_deployment(db, "digits") == changed


@pytest.mark.parametrize("stage", ["active", "incumbent"])
def test_running_deployment_is_not_deleted(db: Database, stage: str) -> None:
    add_deployment(db, versions_count=2)
    versions.activate(db, "digits", 1, NOW, "ann")
    with pytest.raises(Conflict, match="version 1 of digits is active") as refusal:
        deployments.delete_deployment(db, "digits", NOW, "ann")
    assert refusal.value.code == "version-active"
    assert len(versions.list_versions(db, "digits")) == 2


def test_deletion_removes_versions_and_secrets_and_keeps_events(db: Database) -> None:
    add_deployment(db)
    add_deployment(db, "other", versions_count=1)
    versions.add_version(db, "digits", SPEC, {"TOKEN": "hush"}, NOW, "ann")
    deployments.delete_deployment(db, "digits", later(1), "bob")
    assert [deployment.name for deployment in deployments.list_deployments(db)] == ["other"]
    assert [version.deployment for version in versions.all_versions(db)] == ["other"]
    assert secrets.load_secret_values(db, "digits", 1) == {}
    newest = events.list_events(db, "digits")[0]
    assert (newest.kind, newest.at, newest.actor) == ("deployment.deleted", later(1), "bob")


def test_numbers_go_on_when_a_name_is_used_again(db: Database) -> None:
    """What a deleted version left behind must never be taken for a new version's."""
    add_deployment(db, versions_count=2)
    deployments.delete_deployment(db, "digits", NOW, "ann")
    add_deployment(db)
    assert versions.add_version(db, "digits", SPEC, {}, NOW, "ann").number == 3


def test_settings_that_were_kept_before_a_key_existed_get_its_default(db: Database) -> None:
    add_deployment(db)
    with db.write():
        db.peewee.execute_sql("UPDATE deployment SET settings = '{\"replicas\": 3}'")
    assert deployments.get_deployment(db, "digits").settings == replace(Settings(), count=3)
