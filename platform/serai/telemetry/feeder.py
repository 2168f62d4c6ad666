"""One sink's thread and queue."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import groupby

from serai.domain.observation import Usage
from serai.domain.window import Window
from serai.plugin.sink import Sink

log = logging.getLogger(__name__)

Item = Window | Usage
_BATCH = 500  # items of one call


class Feeder:
    """Calls one sink from one thread. What a call failed with stays at the head of the queue until it succeeds."""

    def __init__(self, name: str, sink: Sink, capacity: int, first_pause_s: float, longest_pause_s: float) -> None:
        self.name = name
        self._sink = sink
        self._capacity = capacity
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._changed = threading.Condition()
        self._queue: deque[Item] = deque()
        self._in_call = 0
        self._dropped = 0
        self._dropping = False
        self._last_error = ""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)
        self._thread.start()

    def offer(self, items: Iterable[Item]) -> None:
        """Queue `items`; the oldest give way where there is no room."""
        with self._changed:
            self._queue.extend(items)
            excess = min(len(self._queue) + self._in_call - self._capacity, len(self._queue))
            for _ in range(excess):
                self._queue.popleft()
            if excess > 0:
                self._note_dropped(excess)
            self._changed.notify()

    def state(self) -> tuple[int, int, str]:
        """Return how many wait, how many were dropped, and the last error."""
        with self._changed:
            return len(self._queue) + self._in_call, self._dropped, self._last_error

    def stop(self) -> None:
        """Have the thread end when nothing waits, or at the next failure."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, timeout_s: float) -> float:
        """Wait for the thread; return the seconds that took."""
        began = time.monotonic()
        self._thread.join(max(timeout_s, 0.0))
        if self._thread.is_alive():
            log.warning("sink %s: still in a call at the end; %d entries are lost", self.name, self.state()[0])
        return time.monotonic() - began

    def _run(self) -> None:
        while batch := self._next_batch():
            if not self._deliver(batch):
                log.warning("sink %s: failing at the end; %d entries are lost", self.name, self.state()[0])
                return

    def _next_batch(self) -> list[Item]:
        """Wait for items and take some from the queue; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._in_call = len(batch)
            return batch

    def _deliver(self, batch: list[Item]) -> bool:
        """Call the sink until it has taken the batch; False when stopped before."""
        pause_s = self._first_pause_s
        pending = [list(group) for _, group in groupby(batch, type)]
        while pending:
            error = self._call(pending[0])
            if error is None:
                self._note_taken(len(pending.pop(0)))
                pause_s = self._first_pause_s
            elif not self._pause(error, pause_s):
                return False
            else:
                pause_s = min(2 * pause_s, self._longest_pause_s)
        return True

    def _call(self, items: list[Item]) -> Exception | None:
        windows = [item for item in items if isinstance(item, Window)]
        samples = [item for item in items if isinstance(item, Usage)]
        try:
            if windows:
                self._sink.write_windows(windows)
            if samples:
                self._sink.write_usage(samples)
        except Exception as error:  # a sink is somebody else's code
            return error
        return None

    def _pause(self, error: Exception, pause_s: float) -> bool:
        """Wait before another attempt; False when the feeder is to end."""
        with self._changed:
            if not self._last_error:
                log.warning("sink %s: failed and is tried again from now on: %s", self.name, error, exc_info=error)
            self._last_error = f"{type(error).__name__}: {error}"
            return not self._changed.wait_for(lambda: self._stopping, pause_s)

    def _note_taken(self, count: int) -> None:
        with self._changed:
            self._in_call -= count
            if self._last_error:
                log.info("sink %s: works again", self.name)
            self._last_error = ""
            self._dropping = self._dropping and bool(self._queue)

    def _note_dropped(self, count: int) -> None:
        self._dropped += count
        if not self._dropping:
            log.warning("sink %s: too slow, %d entries wait; the oldest are dropped", self.name, self._capacity)
        self._dropping = True
