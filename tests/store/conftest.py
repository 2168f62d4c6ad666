"""Every test of the store runs on SQLite and on PostgreSQL, each time on an empty database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serai.store.database import Database
from tests.postgres import PostgresServer, Unavailable, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the session (each worker of pytest-xdist has its own)."""
    server = running_postgres()
    try:
        running = server.__enter__()
    except Unavailable as error:
        pytest.skip(str(error))
    yield running
    server.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, which may be opened more than once."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'with space'}/serai.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.make_url()


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Open a database; all are closed at the end."""
    opened: list[Database] = []

    def open_one(url: str) -> Database:
        opened.append(Database.open(url))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def db(url: str, open_database: Callable[[str], Database]) -> Database:
    return open_database(url)
