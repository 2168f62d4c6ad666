"""Transactions, connections, the lead, and what is said when the database is in trouble."""

from __future__ import annotations

import signal
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from serai.domain.errors import Conflict, Invalid, SeraiError
from serai.store import deployments
from serai.store.database import Database
from tests.postgres import PostgresServer
from tests.store.children import child
from tests.store.intent import add_deployment, at_once, kinds
from tests.waiting import eventually

Open = Callable[[str], Database]


def names(db: Database) -> list[str]:
    return [deployment.name for deployment in deployments.list_deployments(db)]


def in_thread(act: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result(30)


def test_transaction_that_raises_leaves_nothing(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.write():
        add_deployment(db)
        1 / 0  # noqa: B018
    assert (names(db), kinds(db)) == ([], [])


def test_nested_transaction_is_undone_by_itself(db: Database) -> None:
    with db.write():
        add_deployment(db, "kept")
        with pytest.raises(Conflict), db.write():
            add_deployment(db, "undone")
            add_deployment(db, "kept")
        assert names(db) == ["kept"]
        add_deployment(db, "later")
    assert names(db) == ["kept", "later"]


def test_nothing_is_seen_before_the_end(db: Database) -> None:
    with db.write():
        add_deployment(db)
        assert in_thread(lambda: names(db)) == []
    assert in_thread(lambda: names(db)) == ["digits"]


def test_reader_sees_one_state(db: Database) -> None:
    with db.read():
        assert names(db) == []
        in_thread(lambda: add_deployment(db))
        assert (names(db), kinds(db)) == ([], [])
    assert names(db) == ["digits"]


def test_writing_upon_what_was_read_before_is_a_mistake(db: Database) -> None:
    with db.read(), pytest.raises(RuntimeError, match="inside of read"), db.write():
        pass
    add_deployment(db)


def test_writers_take_turns(db: Database, url: str, open_database: Open) -> None:
    """Reading and writing back, by threads of two Databases: an update is lost if ever two do it at once."""
    both = (db, open_database(url))
    add_deployment(db)

    def add_one(index: int) -> None:
        each = both[index % 2]
        with each.write():
            settings = deployments.get_deployment(each, "digits").settings
            values = (settings.count + 1,)
            mark = each.peewee.param
            each.peewee.execute_sql(
                f"UPDATE deployment SET settings = '{{\"replicas\": ' || CAST({mark} AS TEXT) || '}}'", values
            )

    at_once(20, add_one)
    assert deployments.get_deployment(db, "digits").settings.count == 2 + 20


def test_two_databases_in_one_process(db: Database, tmp_path: Path, open_database: Open) -> None:
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    with db.write(), other.write():
        add_deployment(db, "here")
        add_deployment(other, "there")
    assert (names(db), names(other)) == (["here"], ["there"])


def test_threads_leave_no_connections(db: Database) -> None:
    for _ in range(3):
        at_once(10, lambda index: names(db))
    assert len(db.peewee._connections) <= 10
    assert db.peewee._in_use == {}


def test_closed_database_has_no_connections(url: str) -> None:
    db = Database.open(url)
    at_once(4, lambda index: names(db))
    db.close()
    assert (db.peewee._connections, db.peewee._in_use) == ([], {})
    db.close()


def test_file_is_for_its_owner_alone(tmp_path: Path, open_database: Open) -> None:
    db = open_database(f"sqlite:///{tmp_path}/deep/er/serai.db")
    add_deployment(db)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "deep/er").iterdir()}
    assert modes["serai.db"] == 0o600
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("url", ["", "serai.db", "sqlite://serai.db", "sqlite:///", "mysql://ann:hush@db/serai"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Invalid, match="is not the address of a database") as refusal:
        Database.open(url)
    assert refusal.value.code == "database-url"
    assert "hush" not in str(refusal.value)


def test_sqlite_survives_a_power_cut(tmp_path: Path, open_database: Open) -> None:
    db = open_database(f"sqlite:///{tmp_path}/serai.db")
    with db.read():
        pragmas = {name: db.peewee.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


# the lead


def test_one_leads(url: str, open_database: Open) -> None:
    first, second = open_database(url), open_database(url)
    assert first.try_lead()
    assert first.try_lead(), "asking again is fine"
    assert not second.try_lead()
    first.close()
    assert eventually(second.try_lead)


_LEADER = """
import sys, time
from serai.store.database import Database
db = Database.open(sys.argv[1])
print(db.try_lead(), flush=True)
time.sleep(60)
"""


def test_killed_leader_makes_room(db: Database, url: str) -> None:
    with child(_LEADER, url) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == "True\n"
        assert not db.try_lead()
        leader.kill()
        assert eventually(db.try_lead)


@pytest.mark.postgres
def test_lead_that_was_lost_with_the_connection_is_noticed(postgres: PostgresServer, open_database: Open) -> None:
    url = postgres.make_url()
    first, second = open_database(url), open_database(url)
    assert first.try_lead()
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert eventually(second.try_lead)
    assert not first.try_lead()


# trouble


def test_busy_database_is_waited_for_and_then_said_so(tmp_path: Path) -> None:
    path = tmp_path / "serai.db"
    db = Database.open(f"sqlite:///{path}", patience_s=0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SeraiError, match="is busy for too long") as trouble:
        add_deployment(db)
    assert (trouble.value.code, str(path) in trouble.value.message) == ("database-busy", True)
    assert names(db) == []
    other.execute("ROLLBACK")
    other.close()
    add_deployment(db)
    db.close()


@pytest.mark.postgres
def test_busy_postgres_is_waited_for_and_then_said_so(postgres: PostgresServer, open_database: Open) -> None:
    url = postgres.make_url()
    db = Database.open(url, patience_s=0.2)
    with open_database(url).write(), pytest.raises(SeraiError, match="is busy for too long") as trouble:
        add_deployment(db)
    assert trouble.value.code == "database-busy"
    add_deployment(db)
    db.close()


def test_thread_that_holds_the_database_too_long_is_not_waited_for(url: str) -> None:
    db = Database.open(url, patience_s=0.2)
    with db.write(), pytest.raises(SeraiError, match="is busy for too long"):
        in_thread(lambda: add_deployment(db))
    add_deployment(db)
    db.close()


@pytest.mark.parametrize(
    "content", [b"this is not a database, but it is long enough" * 100, b"SQLite format 3\0" * 512]
)
def test_file_that_is_no_database_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "serai.db"
    path.write_bytes(content)
    with pytest.raises(SeraiError, match="is damaged; restore it from a backup") as trouble:
        Database.open(f"sqlite:///{path}")
    assert trouble.value.code == "database-broken"
    assert path.read_bytes() == content, "what is no database of ours is left alone"


def test_damaged_file_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "serai.db"
    db = Database.open(f"sqlite:///{path}")
    for index in range(50):
        add_deployment(db, f"digits-{index}")
    db.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(SeraiError) as trouble:
        names(Database.open(f"sqlite:///{path}"))
    assert trouble.value.code == "database-broken"


@pytest.mark.parametrize("place", ["folder", "below a file"])
def test_place_that_cannot_hold_a_file_is_said_so(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path if place == "folder" else tmp_path / "file" / "serai.db"
    with pytest.raises(SeraiError, match="cannot be opened") as trouble:
        Database.open(f"sqlite:///{path}")
    assert trouble.value.code == "database-unreachable"


def test_unreachable_postgres_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(SeraiError, match="cannot be reached") as trouble:
        Database.open(f"postgresql://ann:hu@sh@/serai?host={tmp_path}&password=hush")
    assert trouble.value.code == "database-unreachable"
    assert "sh" not in trouble.value.message.replace("reached", "")


@pytest.mark.postgres
def test_missing_postgres_database_is_said_so(postgres: PostgresServer) -> None:
    with pytest.raises(SeraiError) as trouble:
        Database.open(postgres.url().replace("/postgres?", "/nope?"))
    assert trouble.value.code == "database-unreachable"


@pytest.mark.postgres
def test_read_only_postgres_is_said_so(postgres: PostgresServer, open_database: Open) -> None:
    url = postgres.make_url()
    open_database(url).close()
    db = open_database(f"{url}%20-cdefault_transaction_read_only%3Don")
    assert names(db) == []
    with pytest.raises(SeraiError, match="cannot be written") as trouble:
        add_deployment(db)
    assert trouble.value.code == "database-read-only"


@pytest.mark.postgres
def test_restart_of_postgres_is_survived(postgres: PostgresServer, open_database: Open) -> None:
    db = open_database(postgres.make_url())
    add_deployment(db)
    assert db.try_lead()
    meeting = Barrier(3)

    def read_together(index: int) -> None:
        with db.read():
            meeting.wait(30)

    for how in (signal.SIGINT, signal.SIGQUIT):
        at_once(3, read_together)  # so that there are three connections
        postgres.stop(how)
        with pytest.raises(SeraiError, match="cannot be reached"):
            names(db)
        with pytest.raises(SeraiError, match="cannot be reached"):
            db.try_lead()
        postgres.start()
        assert names(db) == ["digits"], "connections that died meanwhile are not used"
        assert db.try_lead()


@pytest.mark.postgres
def test_connection_that_is_lost_in_the_middle_undoes_the_transaction(
    postgres: PostgresServer, open_database: Open
) -> None:
    db = open_database(postgres.make_url())
    with pytest.raises(SeraiError) as trouble, db.write():
        add_deployment(db)
        (pid,) = db.peewee.execute_sql("SELECT pg_backend_pid()").fetchone()
        postgres.run(f"SELECT pg_terminate_backend({pid}, 5000)")
        add_deployment(db, "second")
    assert trouble.value.code == "database-unreachable"
    assert names(db) == []
    add_deployment(db)


def test_mistakes_of_ours_are_not_dressed_up(db: Database) -> None:
    with pytest.raises(Exception, match="nope") as mistake, db.read():
        db.peewee.execute_sql("SELECT nope")
    assert not isinstance(mistake.value, psycopg.Error)
    assert deployments.list_deployments(db) == []
