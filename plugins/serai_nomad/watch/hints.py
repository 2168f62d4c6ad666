"""The ids of workloads worth looking at, from whoever notices first, for the one who follows them."""

from __future__ import annotations

import threading
from collections.abc import Iterator


class Hints:
    """A set that is waited for. An id that is told twice before it is taken comes once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._is_closed = False

    def tell(self, workload: str) -> None:
        with self._changed:
            self._waiting[workload] = None
            self._changed.notify_all()

    def follow(self) -> Iterator[str]:
        """Yield ids as they are told; end after `close`."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or bool(self._waiting))
                if self._is_closed:
                    return
                told = list(self._waiting)
                self._waiting.clear()
            yield from told

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
