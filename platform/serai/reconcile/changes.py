"""Let callers wait until something changed: an index for each topic that only grows."""

from __future__ import annotations

import threading
import time


class Changes:
    """Indexes of topics (a deployment's name; "" for anything). Starts above every index of earlier processes.

    The wall clock in milliseconds is where counting starts, so an index kept by a client over a restart of the
    server is never above the new ones (a clock set back makes a client read once more, no worse).
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._first = time.time_ns() // 1_000_000
        self._last = self._first
        self._topics: dict[str, int] = {}
        self._all = self._first  # the last change of everything at once
        self._closed = False

    @property
    def first(self) -> int:
        """The index before the first change of this process."""
        return self._first

    def index(self, topic: str = "") -> int:
        with self._changed:
            return self._index(topic)

    def bump(self, topic: str) -> int:
        """Note a change of `topic` and return its new index."""
        with self._changed:
            self._last += 1
            self._topics[topic] = self._last
            self._changed.notify_all()
            return self._last

    def bump_all(self) -> int:
        """Note a change of every topic and return its index."""
        with self._changed:
            self._last += 1
            self._all = self._last
            self._changed.notify_all()
            return self._last

    def wait(self, topic: str, index: int, timeout_s: float) -> int:
        """Return the topic's index once it differs from `index`, or after `timeout_s`, or at `close`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._index(topic) == index and not self._closed:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            return self._index(topic)

    def close(self) -> None:
        """Release all who wait, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _index(self, topic: str) -> int:
        return max(self._topics.get(topic, self._all), self._all) if topic else self._last
