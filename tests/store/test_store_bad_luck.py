"""Power, disk and processes fail; what was answered for is kept and nothing is half there."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from serai.store import deployments, events, versions
from serai.store.database import Database
from tests.store.children import child, run_on_small_disk

_WRITER = """
import sys
from datetime import datetime, UTC
from serai.domain.deployment import Settings
from serai.domain.errors import Conflict
from serai.domain.spec import Spec
from serai.store import deployments, versions
from serai.store.database import Database

now = datetime.now(UTC)
db = Database.open(sys.argv[1])
try:
    deployments.create_deployment(db, "digits", "ann", Settings(), now, "ann")
except Conflict:
    pass
while True:
    with db.write():
        number = versions.add_version(db, "digits", Spec(image="x"), {"SECRET": "x" * 3000}, now, "ann").number
        versions.activate(db, "digits", number, now, "ann")
    print(number, flush=True)
"""


def test_killed_writer_leaves_a_whole_database(url: str, open_database: Callable[[str], Database]) -> None:
    answered: list[int] = []
    for _ in range(4):
        with child(_WRITER, url) as writer:
            assert writer.stdout is not None
            answered += [int(writer.stdout.readline()) for _ in range(random.randint(1, 25))]
            writer.kill()
            answered += [int(line) for line in writer.stdout.read().splitlines() if line]
    db = open_database(url)
    stored = [version.number for version in reversed(versions.list_versions(db, "digits"))]
    assert set(answered) <= set(stored), "a version that was answered for is lost"
    assert stored == list(range(1, stored[-1] + 1))
    assert len(stored) <= len(answered) + 4, "at most the one of each round that could not be answered any more"
    assert deployments.get_deployment(db, "digits").active == stored[-1]
    started = [event.version for event in events.events_after(db, 0) if event.kind == "version.started"]
    assert started == stored
    assert all(versions.load_secrets(db, "digits", number) for number in stored)
    if url.startswith("sqlite"):
        with db.read():
            assert db.peewee.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]


_FILLER = """
import json, sys
from datetime import datetime, UTC
from pathlib import Path
from serai.domain.deployment import Settings
from serai.domain.errors import SeraiError
from serai.domain.spec import Spec
from serai.store import deployments, events, versions
from serai.store.database import Database

now, disk = datetime.now(UTC), Path(sys.argv[1])
ballast = disk / "ballast"
ballast.write_bytes(b"x" * 300_000)
db = Database.open(f"sqlite:///{disk}/serai.db")
deployments.create_deployment(db, "digits", "ann", Settings(), now, "ann")
codes, added = [], []
for _ in range(2):
    try:
        while True:
            with db.write():
                added.append(versions.add_version(db, "digits", Spec(image="x"), {"S": "x" * 9000}, now, "ann").number)
    except SeraiError as error:
        added.pop() if len(added) > len(versions.list_versions(db, "digits")) else None
        codes.append(error.code)
        message = error.message
ballast.unlink()
after = versions.add_version(db, "digits", Spec(image="x"), {}, now, "ann").number
with db.read():
    check = db.peewee.execute_sql("PRAGMA integrity_check").fetchall()
kept = [version.number for version in versions.list_versions(db, "digits")][::-1]
print(json.dumps([codes, message, added, after, kept, check]))
"""


def test_full_disk_is_said_so_and_harms_nothing(tmp_path: Path) -> None:
    codes, message, added, after, kept, check = run_on_small_disk(tmp_path / "disk", _FILLER)
    assert codes == ["disk-full", "disk-full"]
    assert "serai.db is full; free some space" in message
    assert kept == [*added, after] == list(range(1, len(added) + 2))
    assert check == [["ok"]]


def test_full_database_is_said_so(tmp_path: Path) -> None:
    """The same where no small disk can be made: a limit on the pages of the file."""
    db = Database.open(f"sqlite:///{tmp_path}/serai.db")
    with db.write():
        db.peewee.execute_sql("PRAGMA max_page_count = 60")
    try:
        error = _fill(db)
    finally:
        db.close()
    assert getattr(error, "code", "") == "disk-full"


def _fill(db: Database) -> Exception | None:
    from serai.domain.errors import SeraiError
    from tests.store.intent import NOW

    for _ in range(1000):
        try:
            events.add_event(db, NOW, "a.done", "digits", text="x" * 3000)
        except SeraiError as error:
            return error
    return None
