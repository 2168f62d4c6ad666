"""How many requests of each slot are on record, by hundreds of their status: kept when this process is killed."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path

from serai.gateway.pile import decode_line

_COUNT = struct.Struct("<Q")
# What is being entered: the place of its count, the count before, the journal's size before, the journal's path.
_ENTRY = struct.Struct("<QQQ1024s")
_SLOTS = 65536
# Informational, good, elsewhere, refused, failed; 0 for what ended without a status.
CLASSES = 6
_ENTRY_AT = _COUNT.size * (1 + _SLOTS * CLASSES)


class Ledger:
    """A file of counts in memory: written at once, and there for whoever opens it next.

    The counts are of one worker of HAProxy, `worker`, as are those that they are compared with.

    Records are written to the journal and then entered here; a kill between the two would count them again. So what is
    about to be written is announced first, and who opens the file next finds out from the journal how far it came.
    """

    def __init__(self, path: Path) -> None:
        size = _ENTRY_AT + _COUNT.size + _ENTRY.size
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            self._counts = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._finish_entry()

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
        self._write(place, self._read(place) + count)
        if self._read(_ENTRY_AT):
            self._write(_ENTRY_AT, 0)

    def announce(self, slot: int, hundreds: int, journal: Path, size_bytes: int) -> None:
        """Say that records are written to the journal from here on, which `add` then enters."""
        place, name = self._place(slot, hundreds), os.fsencode(journal.absolute())
        if len(name) < 1024:
            _ENTRY.pack_into(self._counts, _ENTRY_AT + _COUNT.size, place, self._read(place), size_bytes, name)
            self._write(_ENTRY_AT, 1)  # last: a kill before it leaves no half of an entry

    def get(self, slot: int, hundreds: int) -> int:
        return self._read(self._place(slot, hundreds))

    def copy(self) -> Callable[[int, int], int]:
        """Return `get` as it is now, whatever is counted later."""
        counts = bytes(self._counts[:_ENTRY_AT])
        return lambda slot, hundreds: int(_COUNT.unpack_from(counts, self._place(slot, hundreds))[0])

    def close(self) -> None:
        self._counts.close()

    def _finish_entry(self) -> None:
        """Enter what a killed process had written to the journal and not entered."""
        if self._read(_ENTRY_AT):
            place, before, size_bytes, name = _ENTRY.unpack_from(self._counts, _ENTRY_AT + _COUNT.size)
            self._write(place, before + _count_records(Path(os.fsdecode(name.rstrip(b"\0"))), size_bytes))
            self._write(_ENTRY_AT, 0)

    def _read(self, place: int) -> int:
        return int(_COUNT.unpack_from(self._counts, place)[0])

    def _write(self, place: int, value: int) -> None:
        _COUNT.pack_into(self._counts, place, value)

    def _place(self, slot: int, hundreds: int) -> int:
        if not 0 <= slot < _SLOTS:
            raise ValueError(f"slot {slot} is beyond the ledger's {_SLOTS}")
        return _COUNT.size * (1 + slot * CLASSES + (hundreds if 0 < hundreds < CLASSES else 0))


def _count_records(journal: Path, start: int) -> int:
    """Return how many records of a journal begin at `start` or behind it, as those who fold it will see them."""
    try:
        lines = journal.read_bytes()[start:].split(b"\n")
    except FileNotFoundError:
        return 0
    return sum(map(_is_record, lines))


def _is_record(line: bytes) -> bool:
    try:
        decode_line(line)
    except ValueError:
        return False
    return True
