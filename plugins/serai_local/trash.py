"""Removing folders without anybody waiting for it."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

from .shim.fetch import remove_tree


class Trash:
    """A folder on the same disk: what is put in is gone at once, and its space soon after, or after a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._work = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="serai-local-trash", daemon=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._work.set()
        self._thread.start()

    def put(self, path: Path) -> None:
        """Take `path` away. What is not there is fine."""
        try:
            path.rename(self._folder / f"{os.getpid()}-{next(self._numbers)}-{path.name}")
        except FileNotFoundError:
            return
        self._work.set()

    def close(self) -> None:
        """Wait for the folder in hand; the rest is for the next start."""
        self._closed = True
        self._work.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            for path in sorted(self._folder.iterdir()):
                if self._closed:
                    return
                remove_tree(path)
