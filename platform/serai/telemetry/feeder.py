"""One way into a sink: its thread and its queue."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from serai.domain.collected import CollectedLine
from serai.domain.finished import FinishedRequest
from serai.domain.observation import Usage
from serai.domain.window import Window
from serai.plugin.sink import Busy, Rejected, SinkState

log = logging.getLogger(__name__)

Item = Window | Usage | CollectedLine | FinishedRequest
Verbs = Mapping[type, Callable[[Sequence[Any]], None]]
_LONGEST_BUSY_S = 3600.0  # what asks for longer is asked again all the same
_LINE_WEIGHT = 200  # what a line takes in memory beside its text


@dataclass(frozen=True, slots=True)
class Lane:
    """What a feeder brings and how much of it waits: `capacity` and `batch` are sums of weights (see `weigh`)."""

    way: str
    verbs: Verbs
    capacity: int
    batch: int
    gather_s: float
    first_pause_s: float
    longest_pause_s: float


def weigh(item: Item) -> int:
    """Return what an item counts against a lane's capacity: lines may be long, the others are 1."""
    return _LINE_WEIGHT + len(item.line.text) if isinstance(item, CollectedLine) else 1


class Feeder:
    """Calls one sink from one thread. What a call failed with stays at the head of the queue until it succeeds."""

    def __init__(self, name: str, lane: Lane) -> None:
        self.name = name
        self._lane = lane
        self._title = f"sink {name}" if lane.way == "figures" else f"sink {name} ({lane.way})"
        self._changed = threading.Condition()
        self._queue: deque[tuple[Item, int]] = deque()
        self._weight = 0  # of what waits, calls included
        self._in_call = 0
        self._called_at = float("-inf")
        self._dropped = 0
        self._dropping = False
        self._rejecting = False
        self._last_error = ""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}-{lane.way}", daemon=True)
        self._thread.start()

    def offer(self, items: Iterable[Item]) -> None:
        """Queue `items`; the oldest give way where there is no room."""
        weighed = [(item, weigh(item)) for item in items]
        with self._changed:
            self._queue.extend(weighed)
            self._weight += sum(weight for _, weight in weighed)
            excess = 0
            while self._weight > self._lane.capacity and self._queue:
                self._weight -= self._queue.popleft()[1]
                excess += 1
            if excess:
                self._note_dropped(excess)
            self._changed.notify()

    def note_lost(self, count: int) -> None:
        """Count entries that were lost on their way here as dropped."""
        with self._changed:
            self._dropped += count

    def state(self) -> SinkState:
        with self._changed:
            waiting = len(self._queue) + self._in_call
            return SinkState(self.name, self._lane.way, waiting, self._dropped, self._last_error)

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
            log.warning("%s: still in a call at the end; %d entries are lost", self._title, self.state().waiting)
        return time.monotonic() - began

    def _run(self) -> None:
        while batch := self._next_batch():
            if not self._deliver(batch):
                log.warning("%s: failing at the end; %d entries are lost", self._title, self.state().waiting)
                return

    def _next_batch(self) -> list[tuple[Item, int]]:
        """Wait for items, and for more to gather, and take some from the queue; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            gather_s = self._called_at + self._lane.gather_s - time.monotonic()
            if gather_s > 0:
                self._changed.wait_for(lambda: self._stopping or self._weight >= self._lane.batch, gather_s)
            batch: list[tuple[Item, int]] = []
            weight = 0
            while self._queue and weight < self._lane.batch:
                batch.append(self._queue.popleft())
                weight += batch[-1][1]
            self._in_call = len(batch)
            self._called_at = time.monotonic()
            return batch

    def _deliver(self, batch: list[tuple[Item, int]]) -> bool:
        """Call the sink until it has taken the batch, or rejected it; False when stopped before."""
        pause_s = self._lane.first_pause_s
        pending = [list(group) for _, group in groupby(batch, lambda pair: type(pair[0]))]
        while pending:
            error = self._call([item for item, _ in pending[0]])
            if error is None or isinstance(error, Rejected):
                self._note_done(pending.pop(0), error)
                pause_s = self._lane.first_pause_s
            elif not self._pause(error, pause_s):
                return False
            else:
                pause_s = min(2 * pause_s, self._lane.longest_pause_s)
        return True

    def _call(self, items: list[Item]) -> Exception | None:
        try:
            self._lane.verbs[type(items[0])](items)
        except Exception as error:  # a sink is somebody else's code
            return error
        return None

    def _pause(self, error: Exception, pause_s: float) -> bool:
        """Wait before another attempt; False when the feeder is to end."""
        if isinstance(error, Busy):
            pause_s = min(max(pause_s, error.after_s), _LONGEST_BUSY_S)
        with self._changed:
            if not self._last_error:
                log.warning("%s: failed and is tried again from now on: %s", self._title, error, exc_info=error)
            self._last_error = f"{type(error).__name__}: {error}"
            return not self._changed.wait_for(lambda: self._stopping, pause_s)

    def _note_done(self, done: list[tuple[Item, int]], rejected: Rejected | None) -> None:
        with self._changed:
            self._in_call -= len(done)
            self._weight -= sum(weight for _, weight in done)
            self._dropping = self._dropping and bool(self._queue)
            if rejected is None:
                if self._last_error:
                    log.info("%s: works again", self._title)
                self._last_error, self._rejecting = "", False
                return
            count = len(done) if rejected.count is None else rejected.count
            self._dropped += count
            if not self._rejecting:
                log.warning(
                    "%s: %d entries are dropped, as they are refused for good: %s", self._title, count, rejected
                )
            self._last_error, self._rejecting = f"Rejected: {rejected}", True

    def _note_dropped(self, count: int) -> None:
        self._dropped += count
        if not self._dropping:
            waiting = len(self._queue) + self._in_call
            log.warning("%s: too slow, %d entries wait; the oldest are dropped", self._title, waiting)
        self._dropping = True
