"""One database, SQLite or PostgreSQL, with transactions that mean the same on both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee

from serai.domain.errors import SeraiError

from .engines import PATIENCE_S, Engine, make_engine, name_engine
from .faults import told_plainly
from .leader import AdvisoryLead, FileLead, Lead
from .migrations import MIGRATIONS, Migration, find_missing, migrate

log = logging.getLogger(__name__)

# The first key of PostgreSQL's advisory locks, the second being the schema: "serai" has to mean something to others.
_WRITE_LOCK = 0x5E4A1001
_LEAD_LOCK = 0x5E4A1002
_TAKE_TURN = "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s, hashtext(current_schema()))"


class Database:
    """A database and its connections; safe to use from any thread.

    Rows are bound to no database: every query is executed as `query.execute(db.peewee)` inside `read()` or `write()`,
    so that several databases live in one process. A fault of the database is a SeraiError with a sentence.
    """

    def __init__(self, url: str, engine: Engine, patience_s: float = PATIENCE_S) -> None:
        self.name = name_engine(url)
        self.peewee: Engine = engine
        self._patience_s = patience_s
        self._is_sqlite = isinstance(engine, peewee.SqliteDatabase)
        self._writing = threading.RLock()
        self._thread = _Thread()
        self._leading = threading.Lock()
        self._lead = self._make_lead()

    @classmethod
    def open(cls, url: str, migrations: tuple[Migration, ...] = MIGRATIONS, patience_s: float = PATIENCE_S) -> Database:
        """Return the database at `sqlite:///<path>` or `postgresql://...`, made and brought up to date as needed.

        Whoever finds it busy waits for at most `patience_s` seconds.

        Raise Invalid for another address, SeraiError where it cannot be opened or was written by a newer Serai.
        """
        db = cls(url, make_engine(url, patience_s), patience_s)
        try:
            with db.read():  # nothing is written where nothing has to be: a server on a full disk can say so
                is_current = not find_missing(db.peewee, migrations, db.name)
            if not is_current:
                with db.write():
                    migrate(db.peewee, migrations, db.name)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def read(self) -> Iterator[None]:
        """Show one consistent state to all queries inside; inside of `write()` it is that transaction."""
        if self._thread.mode:
            yield
            return
        begin = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with told_plainly(self.name), self._thread.as_mode("read"), self._connection(), self.peewee.atomic(**begin):
            yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """Run one transaction, alone: the lock is taken at once, so that what is read inside stays true.

        Nested, it is a part of the outer transaction that is undone by itself if it raises. Writers of all processes
        take turns (on PostgreSQL by an advisory lock), which also makes event ids appear in their order.
        """
        if self._thread.mode == "read":
            raise RuntimeError("write() inside of read(): the state read would be older than the one written to")
        if self._thread.mode == "write":
            with self.peewee.atomic():
                yield
            return
        with (
            told_plainly(self.name),
            self._alone(),
            self._thread.as_mode("write"),
            self._connection(),
            self.peewee.atomic(**({"lock_type": "IMMEDIATE"} if self._is_sqlite else {})),
        ):
            self._lock()
            yield

    def try_lead(self) -> bool:
        """Return True if this is the only server of the database; held until `close()` or the process's end.

        Ask again to notice a lead that was lost with PostgreSQL's connection.
        """
        with told_plainly(self.name), self._leading:
            return self._lead.take()

    def close(self) -> None:
        """Give up the lead and close every connection; threads still inside of a transaction will fail."""
        self._lead.release()
        self.peewee.close_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Within a process threads queue here: SQLite's own waiting is polling, and unfair.
        if not self._writing.acquire(timeout=self._patience_s):
            raise SeraiError(f"the database {self.name} is busy for too long; try again", "database-busy")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _connection(self) -> Iterator[None]:
        self.peewee.connect()
        try:
            yield
        finally:
            self.peewee.close()  # back to the pool

    def _lock(self) -> None:
        if not self._is_sqlite:
            self.peewee.execute_sql(_TAKE_TURN, (f"{self._patience_s * 1000:.0f}", _WRITE_LOCK))

    def _make_lead(self) -> Lead:
        if self._is_sqlite:
            return FileLead(Path(f"{self.peewee.database}.lock"))
        return AdvisoryLead(self.peewee, _LEAD_LOCK)


class _Thread(threading.local):
    """What the current thread is in the middle of: "", "read" or "write"."""

    mode = ""

    @contextmanager
    def as_mode(self, mode: str) -> Iterator[None]:
        self.mode = mode
        try:
            yield
        finally:
            self.mode = ""
