"""The folder that HAProxy works in: configuration, maps and sockets, for this user alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .plan import GRANTS, KEYS, ROWS
from .render import ADMIN_SOCKET, CERTIFICATE, Plan, render
from .state import State

CONFIGURATION, MASTER_SOCKET = "haproxy.cfg", "master.sock"
_NOTE = "running.json"


class RunFolder:
    """Opened when made; `close` it.

    A socket's path may have 107 bytes, and data folders have more: HAProxy names its sockets from here, and this
    process reaches them by way of the open folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "maps").mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def socket(self, name: str) -> str:
        """Return a path of the socket that is short enough."""
        return f"/proc/self/fd/{self._descriptor}/{name}"

    def write(self, plan: Plan, state: State) -> None:
        """Write what HAProxy reads at its start: it begins with all of `state`."""
        for name, entries in ((ROWS, state.rows), (GRANTS, state.grants), (KEYS, state.keys)):
            self._write(name, "".join(f"{key} {value}\n" for key, value in entries.items()))
        servers = {key: server for key, server in state.servers.items() if not server.is_draining}
        self._write(CONFIGURATION, render(plan, servers))

    def write_certificate(self, pem: bytes) -> None:
        """Write what callers by TLS are shown, key and all, for HAProxy's next start."""
        self._write(CERTIFICATE, pem.decode())

    def note(self, values: Mapping[str, object]) -> None:
        """Leave word of what runs for whoever finds it."""
        self._write(_NOTE, json.dumps(dict(values)))

    def read_note(self) -> dict[str, object]:
        """Return what was noted last, nothing where it cannot be read."""
        try:
            values = json.loads((self.path / _NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def tidy(self) -> None:
        """Remove the sockets of a HAProxy that is gone."""
        for name in (ADMIN_SOCKET, MASTER_SOCKET):
            with suppress(FileNotFoundError):
                (self.path / name).unlink()

    def remove(self) -> None:
        """Remove all of it: nothing runs here any more."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, name: str, text: str) -> None:
        scratch = self.path / f"{name}.tmp"
        with os.fdopen(
            os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", newline=""
        ) as file:
            file.write(text)
        scratch.replace(self.path / name)
