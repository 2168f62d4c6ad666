"""What the shim says about its replica, kept in `state.json`."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from serai_local.layout import replace_file


class State:
    """A mapping written to disk whenever it changes; every write is followed by a hint to the server, if one listens.

    Keys: phase, since (epoch s), pid, start (of this shim), started_at (epoch s), crashes, restarts, address,
    environment, exit_code, fatal, and reason {code, text, help, log} or None.
    """

    def __init__(self, path: Path, hints: Path, workload: str) -> None:
        self._path, self._hints, self._line = path, hints, f"{workload}\n".encode()
        self._is_written = True
        self.values: dict[str, object] = {}

    def change(self, **values: object) -> None:
        """Take the values; a new phase gets the present time as its `since`."""
        if all(key in self.values and self.values[key] == value for key, value in values.items()):
            return
        if "phase" in values and values["phase"] != self.values.get("phase"):
            values["since"] = time.time()
        self.values |= values
        self._is_written = False
        self.write()

    def write(self) -> None:
        """Write what has not been written yet; a disk that is full now may not be so later."""
        if self._is_written:
            return
        with contextlib.suppress(OSError):
            replace_file(self._path, json.dumps(self.values))
            self._is_written = True
            self._hint()

    def _hint(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens, or too slowly
            fd = os.open(self._hints, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(fd, self._line)
            finally:
                os.close(fd)


def load_state(path: Path) -> dict[str, object]:
    """Return what is written there; empty where there is nothing, or a torn text."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
