"""Make the peewee database of an address, with the settings that the store relies on."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any, TypeAlias

from playhouse.pool import PooledPostgresqlDatabase, PooledSqliteDatabase

from serai.domain.errors import Invalid, SeraiError

MAX_CONNECTIONS = 64
PATIENCE_S = 30.0
_SQLITE = "sqlite:///"
_POSTGRES = re.compile(r"postgres(?:ql)?://")
_PRAGMAS = (
    ("journal_mode", "wal"),
    ("synchronous", "full"),  # a version that was answered for survives a power cut
    ("foreign_keys", 1),
)
# A server that does not answer must be noticed: without these a connection hangs for many minutes.
POSTGRES_PATIENCE: dict[str, Any] = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 30}

Engine: TypeAlias = PooledSqliteDatabase | PooledPostgresqlDatabase


def make_engine(url: str, patience_s: float = PATIENCE_S) -> Engine:
    """Return a pooled peewee database for `sqlite:///<path>` or `postgresql://...`; nothing is connected yet.

    `patience_s` is the longest wait for a lock or for a free connection.

    The path is taken as it is written (no escapes); its folder and file are made where missing, the file for its
    owner's eyes only, because it holds secrets. Raise Invalid(code="database-url") for any other address.
    """
    if path := sqlite_path(url):
        _make_private_file(path)
        return PooledSqliteDatabase(
            str(path),
            pragmas=(("busy_timeout", round(patience_s * 1000)), *_PRAGMAS),
            max_connections=MAX_CONNECTIONS,
            timeout=patience_s,
            check_same_thread=False,
        )
    if match := _POSTGRES.match(url):
        return _make_postgres(f"postgresql://{url[match.end() :]}", patience_s)
    raise Invalid(
        f"{name_engine(url)!r} is not the address of a database: use sqlite:///<path> or"
        " postgresql://<user>:<password>@<host>/<database>",
        "database",
        code="database-url",
    )


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite address, None for any other."""
    path = url.removeprefix(_SQLITE)
    return Path(path) if url.startswith(_SQLITE) and path else None


def name_engine(url: str) -> str:
    """Return what to call the database in messages: its file, or its address without user and password."""
    if path := sqlite_path(url):
        return str(path)
    return re.sub(r"//.*@", "//", url.partition("?")[0])


def _make_postgres(url: str, patience_s: float) -> PooledPostgresqlDatabase:
    if importlib.util.find_spec("psycopg") is None:
        raise SeraiError("PostgreSQL needs a driver: install serai[postgresql]", "database-driver")
    return PooledPostgresqlDatabase(
        url, max_connections=MAX_CONNECTIONS, timeout=patience_s, prefer_psycopg3=True, **POSTGRES_PATIENCE
    )


def _make_private_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        message = f"the database {path} cannot be opened ({error.strerror}); check its folder"
        raise SeraiError(message, "database-unreachable") from error
