"""Count the requests of spans into windows that are stored before their sender is told: many senders, one transaction.

A batch that was answered is on disk, and one that was not is not: its sender sends it again. Whoever comes while a
transaction is going on shares the next one, as storing costs the same for one batch as for many.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from serai.domain.errors import SeraiError
from serai.domain.window import Window

from .fold import Folder, make_window
from .span_groups import Group

_LENGTH_S = 10.0
# Between two transactions so many times as long as the last one took: storing gets a fifth of the time at most.
_REST = 4.0
_LONGEST_REST_S = 0.5
_MOST_REMEMBERED = 20_000  # batches of one half of the memory


class SpanCounter:
    """Counts batches, each once while it is remembered; safe to use from any thread.

    `gateway` names the windows and must be new with every process: numbers start at 1.
    """

    def __init__(self, take_windows: Callable[[Sequence[Window]], int], gateway: str) -> None:
        self._take_windows = take_windows
        self._gateway = gateway
        self._sequence = count(1)
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._open = Pile()
        self._closed: Pile | None = None
        self._counted = _Memory()
        self._ready_at = 0.0

    def count(self, batch: bytes, groups: Iterable[Group]) -> None:
        """Return when the requests of `groups` are stored; at once for a `batch` that was counted before.

        Raise SeraiError where they could not be stored: then nothing of the batch is counted.
        """
        with self._lock:
            if batch in self._counted:
                return
            pile = self._closed if self._closed and batch in self._closed.batches else self._open
            if batch not in pile.batches:
                pile.add(batch, groups)
        with self._storing:
            if not pile.is_done:
                self._store()
        if pile.error is not None:
            raise pile.error

    def _store(self) -> None:
        """Store what has come so far; with `_storing` held."""
        time.sleep(max(0.0, self._ready_at - time.monotonic()))
        with self._lock:
            pile, self._open = self._open, Pile()
            self._closed = pile
        began = time.monotonic()
        try:
            self._take_windows(self._make_windows(pile))
        except SeraiError as error:
            pile.error = error
        else:
            pile.error = None
            with self._lock:
                self._counted.add(pile.batches)
        finally:
            pile.is_done = True
            with self._lock:
                self._closed = None
            now = time.monotonic()
            self._ready_at = now + min(_REST * (now - began), _LONGEST_REST_S)

    def _make_windows(self, pile: Pile) -> list[Window]:
        taken = pile.folder.take(0.0, all=True)
        return [make_window(self._gateway, next(self._sequence), at, _LENGTH_S, series) for at, series in taken]


class Pile:
    """Batches that are stored together."""

    def __init__(self) -> None:
        self.folder = Folder(_LENGTH_S)
        self.batches: set[bytes] = set()
        self.is_done = False
        self.error: SeraiError | None = SeraiError(
            "the figures could not be stored; send the batch again", "not-stored"
        )

    def add(self, batch: bytes, groups: Iterable[Group]) -> None:
        self.batches.add(batch)
        for group in groups:
            facts = group.facts
            self.folder.add_many(
                facts.deployment,
                facts.version,
                facts.replica,
                facts.status,
                group.totals_us,
                group.firsts_us,
                group.queues_us,
                group.start,
                group.bytes_in,
                group.bytes_out,
            )


class _Memory:
    """The batches that were counted last: between one and two times _MOST_REMEMBERED."""

    def __init__(self) -> None:
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, batch: bytes) -> bool:
        return batch in self._young or batch in self._old

    def add(self, batches: Iterable[bytes]) -> None:
        self._young.update(batches)
        if len(self._young) >= _MOST_REMEMBERED:
            self._old, self._young = self._young, set()
