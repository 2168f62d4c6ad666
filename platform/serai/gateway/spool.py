"""Windows that the server has not acknowledged: on disk, or in memory while the disk is full. Blocking; one caller.

    open segment --close--> <id>.journal --store--> <id>.json.gz --acknowledged--> (nothing)

The id of a window stays the same at every step, and the server takes an id once. So a kill between any two steps, which
leaves both files or a window that was sent already, counts nothing twice, and one before a step loses nothing.
"""

from __future__ import annotations

import gzip
import json
import logging
from contextlib import suppress
from pathlib import Path

from serai.domain.window import Window, dump_window

from .segment import Segment, WindowId, journal_path, load_window, parse_window_id

log = logging.getLogger(__name__)

_MEMORY_LIMIT = 1000  # windows that a full disk does not take, the newest kept


class Spool:
    """Keeps windows in `folder` up to `limit_bytes`, dropping the oldest beyond."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._sizes: dict[WindowId, int] = {}
        self._memory: dict[WindowId, bytes] = {}

    def recover(self, length_s: float) -> int:
        """Take over what an earlier process left, and return how many of its segments were not folded yet."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*.tmp"):
            path.unlink(missing_ok=True)
        for path in self._folder.glob("*.json.gz"):
            id = parse_window_id(path.name.removesuffix(".json.gz"))
            if id is not None:
                self._sizes[id] = path.stat().st_size
        left = sorted(self._folder.glob("*.journal"))
        return sum(self._fold(path, length_s) for path in left)

    def store(self, segment: Segment) -> None:
        """Keep the window of a closed segment, whose file has then done its service."""
        self._keep(segment.id, segment.window())

    def pending(self) -> list[WindowId]:
        """Return the ids of the windows to send, oldest first."""
        return sorted(self._sizes.keys() | self._memory.keys(), key=str)

    def load(self, id: WindowId) -> bytes:
        """Return a window as JSON. OSError or EOFError where the file cannot be read."""
        kept = self._memory.get(id)
        return gzip.decompress(self._path(id).read_bytes() if kept is None else kept)

    def remove(self, id: WindowId) -> None:
        """Forget a window: the server has it."""
        self._sizes.pop(id, None)
        self._memory.pop(id, None)
        for path in (self._path(id), journal_path(self._folder, id)):
            with suppress(OSError):  # a file that stays is sent again after a restart, and known by its number
                path.unlink()

    def reject(self, id: WindowId) -> None:
        """Put a window aside that cannot be sent, so that it does not hold up the others."""
        with suppress(OSError):
            self._path(id).replace(self._folder / f"{id}.rejected")
        self.remove(id)

    def _fold(self, path: Path, length_s: float) -> bool:
        id = parse_window_id(path.stem)
        if id is None or id in self._sizes:
            path.unlink(missing_ok=True)
            return False
        self._keep(id, load_window(path, id, length_s))
        return True

    def _keep(self, id: WindowId, window: Window) -> None:
        if not window.series:
            self.remove(id)
            return
        packed = gzip.compress(
            json.dumps(dump_window(window), separators=(",", ":")).encode(), compresslevel=5, mtime=0
        )
        try:
            self._write(id, packed)
        except OSError as error:
            log.warning("a window of figures is kept in memory only: %s", error)
            self._memory[id] = packed
        else:
            with suppress(OSError):
                journal_path(self._folder, id).unlink()
        self._make_room()

    def _write(self, id: WindowId, packed: bytes) -> None:
        scratch = self._folder / f"{id}.tmp"
        try:
            scratch.write_bytes(packed)
            scratch.replace(self._path(id))
        except OSError:
            scratch.unlink(missing_ok=True)
            raise
        self._sizes[id] = len(packed)

    def _make_room(self) -> None:
        while sum(self._sizes.values()) > self._limit_bytes or len(self._memory) > _MEMORY_LIMIT:
            oldest = self.pending()[0]
            log.error("figures from epoch second %d on are dropped: too many wait for the server", oldest.start)
            self.remove(oldest)

    def _path(self, id: WindowId) -> Path:
        return self._folder / f"{id}.json.gz"
