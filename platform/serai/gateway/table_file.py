"""The last route table on disk, to serve from when the server is not there at the start."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from serai.domain.routes import RouteChange, RouteTable, apply_change, dump_change, load_change

log = logging.getLogger(__name__)


class TableFile:
    """Readable by its owner only: it holds hashes of keys. Blocking."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> RouteTable | None:
        """Return the table last saved, None if there is none that can be read."""
        try:
            return apply_change(None, load_change(json.loads(self._path.read_bytes())))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the saved routes in %s cannot be read and are not used: %r", self._path, error)
            return None

    def save(self, table: RouteTable) -> None:
        """Replace the file in one step. OSError where the disk does not take it; the old one stays then."""
        text = json.dumps(dump_change(RouteChange(table.index, True, table.routes)), separators=(",", ":"))
        scratch = self._path.with_suffix(".tmp")
        try:
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            scratch.replace(self._path)
        except OSError:
            scratch.unlink(missing_ok=True)
            raise
