"""Which replicas were ready, kept on disk for the next server.

Nomad tells how often a process was started again, but not whether it had been ready before. Without that a server that
starts while a replica is down would add up crashes of weeks, and take a version that serves for one that cannot start.
A file that is lost costs no more than that. Several servers on one database each have a file of their own.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from serai_nomad.facts import Remembered

log = logging.getLogger(__name__)


class MemoryFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Remembered]:
        """Return what was saved last; nothing for a file that is missing or damaged."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return {id: Remembered(True, int(restarts), datetime.fromisoformat(at)) for id, restarts, at in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read, so crashes before this start may count: %s", self._path, error)
            return {}

    def save(self, memory: Mapping[str, Remembered]) -> None:
        """Write the file, whole or not at all; a full disk is said and no reason to stop."""
        rows = [
            (id, replica.restarts_when_ready, replica.ready_at.isoformat())
            for id, replica in memory.items()
            if replica.ready_at is not None
        ]
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(rows, file)
            temporary.replace(self._path)
        except OSError as error:
            log.warning("which replicas were ready cannot be kept in %s: %s", self._path, error.strerror)
