"""Tables are brought up to date, once, whole, and with what was in them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import peewee
import pytest

from serai.domain.deployment import Access, Progress, Settings, Stage
from serai.domain.errors import SeraiError
from serai.plugin.identity import Permission
from serai.store import deployments, events, tokens, versions
from serai.store.database import Database
from serai.store.metrics_rows import TakenRow
from serai.store.migrations import MIGRATIONS, Migration
from serai.store.rows import Row
from tests.store.intent import add_deployment, at_once, later

# What databases of each step may hold, in the words of that step: never changed once the step was released.
_SPEC = (
    '{"bundle":null,"command":"./start.sh","drain_timeout":30.0,"env":{"A":"1"},"health":{"interval":2.0,"tcp":true,'
    '"timeout":1.0},"image":"img:1","mounts":[],"placement":{"constraints":[],"datacenters":[],"pool":""},"port":null,'
    '"queue_timeout":0.0,"resources":{"cpu":null,"gpu":null,"memory":null},"secrets":{"TOKEN":"f00"},'
    '"start_attempts":3,"start_timeout":600.0}'
)
_AT = 1772366400123456  # 2026-03-01 12:00:00.123456
_DATA = {
    1: f"""
UPDATE meta SET value = '00ff' WHERE key = 'secret-salt';
INSERT INTO deployment (name, owner, settings, created_at, changed_at, active, incumbent, handing, revision)
    VALUES ('digits', 'ann', '{{"replicas": 2, "access": "keys"}}', {_AT}, {_AT}, 5, NULL, NULL, 3);
INSERT INTO numbering (deployment, last, revision) VALUES ('digits', 6, 0);
INSERT INTO version (deployment, number, spec, spec_digest, created_at, created_by, run, ready_run, started_at, outcome,
    stage, stage_since)
    VALUES ('digits', 5, '{_SPEC}', 'd1', {_AT}, 'ann', 2, 1, {_AT + 1000000}, NULL, 'starting', {_AT + 2000000});
INSERT INTO secret (deployment, version, name, value) VALUES ('digits', 5, 'TOKEN', 'hush');
INSERT INTO event (at, kind, deployment, version, replica, text, actor)
    VALUES ({_AT}, 'version.started', 'digits', 5, '', '', 'ann');
INSERT INTO token (name, login, permissions, prefix, hash, created_at, expires_at, last_used_at)
    VALUES ('ci', 'ann', 'read write', 'serai_abc', 'beef', {_AT}, NULL, NULL)
""",
    2: """
INSERT INTO metric_series (deployment, version, replica, status, clock) VALUES ('digits', 5, '', '', 'total');
INSERT INTO metric_taken (gateway, first, last) VALUES ('gw', 1, 7)
""",
}


def fail(engine: peewee.Database) -> None:
    engine.execute_sql("CREATE TABLE half (id INTEGER)")
    engine.execute_sql("SELECT nope")


def tables(db: Database) -> set[str]:
    with db.read():
        return set(db.peewee.get_tables())


def test_steps_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("step", range(1, len(MIGRATIONS)))
def test_data_of_an_older_step_is_kept(url: str, open_database: Callable[[str], Database], step: int) -> None:
    old = Database.open(url, MIGRATIONS[:step])
    with old.write():
        for number in range(1, step + 1):
            for statement in filter(str.strip, _DATA.get(number, "").split(";")):
                old.peewee.execute_sql(statement)
    old.close()
    db = open_database(url)
    deployment = deployments.get_deployment(db, "digits")
    assert deployment.settings == Settings(count=2, access=Access.KEYS)
    assert (deployment.active, deployment.revision, deployment.created_at) == (5, 3, later(0))
    version = versions.get_version(db, "digits", 5)
    assert (version.run, version.progress) == (2, Progress(Stage.STARTING, later(2)))
    assert (version.spec.image, version.spec.env, version.spec_digest) == ("img:1", {"A": "1"}, "d1")
    assert versions.load_secrets(db, "digits", 5) == {"TOKEN": "hush"}
    assert [event.kind for event in events.list_events(db)] == ["version.started"]
    (token,) = tokens.list_tokens(db)
    assert (token.login, token.permissions) == ("ann", {Permission.READ, Permission.WRITE})
    if step >= 2:
        with db.read():
            assert TakenRow.select().tuples().execute(db.peewee)[0] == ("gw", 1, 7)
    assert versions.add_version(db, "digits", version.spec, {}, later(9), "ann").number == 7


def test_opening_again_changes_nothing(url: str, open_database: Callable[[str], Database]) -> None:
    add_deployment(open_database(url))
    again = open_database(url)
    assert [deployment.name for deployment in deployments.list_deployments(again)] == ["digits"]
    with again.read():
        steps = again.peewee.execute_sql("SELECT number, name FROM migration ORDER BY number").fetchall()
    assert [tuple(step) for step in steps] == [(migration.number, migration.name) for migration in MIGRATIONS]


def test_step_that_fails_leaves_nothing(url: str, open_database: Callable[[str], Database]) -> None:
    before = tables(open_database(url))
    broken = Migration(len(MIGRATIONS) + 1, "broken", fail)
    with pytest.raises(Exception, match="nope"):
        Database.open(url, (*MIGRATIONS, broken))
    assert tables(open_database(url)) == before


def test_newer_database_is_refused(url: str, open_database: Callable[[str], Database]) -> None:
    newer = Migration(len(MIGRATIONS) + 1, "newer", lambda engine: None)
    Database.open(url, (*MIGRATIONS, newer)).close()
    with pytest.raises(SeraiError, match=f"written by a newer Serai .*step {newer.number}") as refusal:
        open_database(url)
    assert refusal.value.code == "database-newer"


def test_servers_that_start_at_once_do_it_once(url: str, open_database: Callable[[str], Database]) -> None:
    opened = at_once(8, lambda index: open_database(url))
    add_deployment(opened[0])
    assert all(deployments.get_deployment(db, "digits") for db in opened)


def test_rows_are_what_the_tables_are(db: Database) -> None:
    for row in Row.__subclasses__():
        meta = row._meta
        with db.read():
            columns = db.peewee.get_columns(meta.table_name)
            keys = db.peewee.get_primary_keys(meta.table_name)
        assert {column.name: column.null for column in columns if column.name not in keys} == {
            field.column_name: field.null for field in meta.sorted_fields if field.column_name not in keys
        }, meta.table_name
        assert set(keys) == {field.column_name for field in meta.get_primary_keys()}, meta.table_name


def test_ids_are_never_used_twice_on_sqlite(db: Database) -> None:
    ids = [events.add_event(db, later(0), "a.done", "digits").id]
    for _ in range(2):
        events.prune_events(db, later(1))
        ids.append(events.add_event(db, later(0), "a.done", "digits").id)
    assert all(first < second for first, second in pairwise(ids))
