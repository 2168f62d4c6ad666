"""Turn what the database drivers raise into sentences for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import peewee
from playhouse.pool import MaxConnectionsExceeded

from serai.domain.errors import SeraiError

# SQLite's primary result codes and PostgreSQL's SQLSTATE (or its class) -> code and sentence.
_DISK_FULL = ("disk-full", "the disk with the database {where} is full; free some space, then try again")
_BUSY = ("database-busy", "the database {where} is busy for too long; try again")
_READ_ONLY = ("database-read-only", "the database {where} cannot be written; check its permissions")
_BROKEN = ("database-broken", "the database {where} is damaged; restore it from a backup")
_IO = ("database-io", "the disk with the database {where} reports errors; check the disk")
_GONE = ("database-unreachable", "the database {where} cannot be reached; check that it runs and the address is right")
_CANNOT_OPEN = ("database-unreachable", "the database {where} cannot be opened; check that its folder can be written")
_REFUSED = ("database-error", "the database {where} refused the operation: {error}")

_SQLITE = {
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_IOERR: _IO,
    sqlite3.SQLITE_CANTOPEN: _CANNOT_OPEN,
}
_POSTGRES = {
    "53100": _DISK_FULL,
    "55P03": _BUSY,
    "40P01": _BUSY,
    "25006": _READ_ONLY,
    "08": _GONE,
    "28": _GONE,
    "3D": _GONE,
    "53": _GONE,
    "57": _GONE,
    "58": _IO,
    "XX": _BROKEN,
}


@contextmanager
def told_plainly(where: str) -> Iterator[None]:
    """Raise SeraiError for a fault of the database; `where` names it without its password.

    Broken constraints and wrong SQL pass through: those are mistakes of ours and no sentence would help.
    """
    try:
        yield
    except (peewee.IntegrityError, peewee.ProgrammingError, peewee.DataError):
        raise
    except MaxConnectionsExceeded as error:
        raise SeraiError(_BUSY[1].format(where=where), _BUSY[0]) from error
    except (peewee.DatabaseError, peewee.InterfaceError) as error:
        cause = find_cause(error)
        code, sentence = classify(cause)
        raise SeraiError(sentence.format(where=where, error=cause), code) from error


def find_cause(error: BaseException) -> BaseException:
    """Return the driver's first error behind `error`: a failed rollback must not hide why it was needed."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None:
        if not isinstance(link, peewee.PeeweeException):
            chain.append(link)
        link = link.__context__
    return next((link for link in reversed(chain) if _is_coded(link)), error)


def classify(cause: BaseException) -> tuple[str, str]:
    """Return the code and the sentence (with {where} and {error}) of a driver's error."""
    number = getattr(cause, "sqlite_errorcode", None)
    if number is not None:
        return _SQLITE.get(number & 0xFF, _REFUSED)
    state = getattr(cause, "sqlstate", "") or "08"  # psycopg: no state means that no server answered
    return _POSTGRES.get(state) or _POSTGRES.get(state[:2], _REFUSED)


def _is_coded(error: BaseException) -> bool:
    return hasattr(error, "sqlite_errorcode") or hasattr(error, "sqlstate")
