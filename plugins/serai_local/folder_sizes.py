"""How much of the disk the folders of replicas take: looked at seldom, as a look is a walk through all files."""

from __future__ import annotations

import os
import time
from pathlib import Path

LEAST_S = 60.0
# Who has so many files that a walk takes a second is looked at every ten minutes.
_PAUSE_PER_WALK = 600.0
_BLOCK_BYTES = 512


class FolderSizes:
    """Sizes by replica. Not for several threads at once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, float]] = {}  # size, and when it is looked at again

    def measure(self, replica: str, folder: Path, now_s: float) -> int:
        """Return how many bytes of the disk a folder takes, as of late. `now_s` is monotonic."""
        size, due_s = self._known.get(replica, (0, now_s))
        if now_s >= due_s:
            began_s = time.monotonic()
            size = count_bytes(folder)
            pause_s = max(LEAST_S, _PAUSE_PER_WALK * (time.monotonic() - began_s))
            self._known[replica] = size, now_s + pause_s
        return size

    def forget(self, live: set[str]) -> None:
        """Drop what is known of replicas that are not in `live`."""
        for id_ in self._known.keys() - live:
            del self._known[id_]


def count_bytes(folder: Path) -> int:
    """Return the bytes of the disk that a folder takes; a file with several names is counted once.

    What vanishes meanwhile, or cannot be read, is left out.
    """
    sizes: dict[tuple[int, int], int] = {}
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                status = os.lstat(os.path.join(path, name))  # noqa: PTH118 - maybe 100,000 of them
            except OSError:
                continue
            sizes[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK_BYTES
    return sum(sizes.values())
