"""A FIFO that shims write the ids of workloads to."""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Iterator
from pathlib import Path


class HintPipe:
    """Yields lines until it is closed. Opened for both directions, so that it never comes to an end by itself."""

    def __init__(self, path: Path) -> None:
        if not path.is_fifo():
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._wake, self._waker = os.pipe()
        self._readers = threading.Lock()
        self._closed = False

    def lines(self) -> Iterator[str]:
        """Yield each line; block in between; end after `close`. One reader at a time, others wait."""
        with self._readers, selectors.DefaultSelector() as selector:
            if self._closed:
                return
            selector.register(self._fd, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            rest = b""
            while True:
                selector.select()
                if self._closed:
                    return
                *lines, rest = (rest + self._read()).split(b"\n")
                yield from dict.fromkeys(line.decode("utf-8", "replace") for line in lines if line)

    def close(self) -> None:
        """End all readers, then release the descriptors. A reader that is between two lines ends at its next."""
        if self._closed:
            return
        self._closed = True
        os.write(self._waker, b"x")
        if self._readers.acquire(timeout=5.0):
            for fd in (self._fd, self._wake, self._waker):
                os.close(fd)
            self._readers.release()

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 65536)
        except BlockingIOError:
            return b""
