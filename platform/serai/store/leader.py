"""Be the only server that works on a database: a lock held for life, let go by the kernel or the server at death."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

import peewee

from .engines import POSTGRES_PATIENCE


class Lead(Protocol):
    """The right to run the jobs of a database."""

    def take(self) -> bool:
        """Return True if the lead is held now; asking again is cheap and notices a lead that was lost."""

    def release(self) -> None:
        """Let go, if held."""


class FileLead:
    """An flock on a file beside the database. The file stays: removing it would let two servers hold "it"."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class AdvisoryLead:
    """A PostgreSQL session lock on a connection of its own: the lead is lost with the connection, never shared."""

    def __init__(self, engine: peewee.PostgresqlDatabase, lock_id: int) -> None:
        self._session = peewee.PostgresqlDatabase(
            engine.database, prefer_psycopg3=True, thread_safe=False, **POSTGRES_PATIENCE
        )
        self._lock_id = lock_id
        self._held = False

    def take(self) -> bool:
        if self._held and self._is_alive():
            return True
        self.release()
        self._session.connect()
        statement = "SELECT pg_try_advisory_lock(%s, hashtext(current_schema()))"
        self._held = bool(self._session.execute_sql(statement, (self._lock_id,)).fetchone()[0])
        if not self._held:
            self.release()
        return self._held

    def release(self) -> None:
        self._held = False
        self._session.close()

    def _is_alive(self) -> bool:
        try:
            self._session.execute_sql("SELECT 1")
        except (peewee.OperationalError, peewee.InterfaceError):
            return False
        return True
