"""How many requests of each slot are on record, by hundreds of their status: kept when this process is killed."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

_COUNT = struct.Struct("<Q")
_SLOTS = 65536
# Informational, good, elsewhere, refused, failed; 0 for what ended without a status.
CLASSES = 6


class Ledger:
    """A file of counts in memory: written at once, and there for whoever opens it next.

    The counts are of one worker of HAProxy, `worker`, as are those that they are compared with.
    """

    def __init__(self, path: Path) -> None:
        size = _COUNT.size * (1 + _SLOTS * CLASSES)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            self._counts = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    @property
    def worker(self) -> int:
        return int(_COUNT.unpack_from(self._counts, 0)[0])

    def begin(self, worker: int) -> None:
        """Count from nothing for another worker; go on where it is the same."""
        if worker != self.worker:
            self._counts[:] = bytes(len(self._counts))
            _COUNT.pack_into(self._counts, 0, worker)

    def add(self, slot: int, hundreds: int, count: int = 1) -> None:
        place = self._place(slot, hundreds)
        _COUNT.pack_into(self._counts, place, _COUNT.unpack_from(self._counts, place)[0] + count)

    def get(self, slot: int, hundreds: int) -> int:
        return int(_COUNT.unpack_from(self._counts, self._place(slot, hundreds))[0])

    def close(self) -> None:
        self._counts.close()

    def _place(self, slot: int, hundreds: int) -> int:
        if not 0 <= slot < _SLOTS:
            raise ValueError(f"slot {slot} is beyond the ledger's {_SLOTS}")
        return _COUNT.size * (1 + slot * CLASSES + (hundreds if 0 < hundreds < CLASSES else 0))
