"""Count every request into windows that survive the process: a segment is open, closed ones wait to be spooled."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .pile import Pile
from .record import RequestRecord
from .segment import Segment, WindowId, journal_path

log = logging.getLogger(__name__)


class Journal:
    """Takes records of one loop. `gateway` must be new with every process: numbers start at 1."""

    def __init__(self, folder: Path, gateway: str, length_s: float, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._gateway = gateway
        self._length_s = length_s
        self._clock = clock
        self._sequence = 0
        self._open: Segment | None = None
        self._closed: deque[Segment] = deque()
        self._is_failing = False

    def append(self, record: RequestRecord) -> None:
        """Count `record`. Never raises: figures do not stop traffic."""
        start = self._start(record.at)
        segment = self._open
        if segment is None or segment.id.start != start:
            segment = self._rotate(start)
        self._tell(segment.add(record))

    def append_all(self, pile: Pile, announce: Callable[[Path, int], None] | None = None) -> None:
        """Count requests that came together, as `append` does each: much cheaper where they fall in one window.

        Where they do, `announce` is told the file and its size before they are written.
        """
        start, last = self._start(min(pile.ended_us) / 1e6), self._start(max(pile.ended_us) / 1e6)
        if start != last:
            for record in pile:
                self.append(record)
            return
        segment = self._open
        if segment is None or segment.id.start != start:
            segment = self._rotate(start)
        self._tell(segment.add_pile(pile, announce))

    def take_closed(self, all: bool = False) -> list[Segment]:
        """Return the segments whose time is over, oldest first, `all` of them at the end."""
        if self._open is not None and (all or self._open.id.start != self._start(self._clock())):
            self._close_open()
        closed = list(self._closed)
        self._closed.clear()
        return closed

    def _start(self, at: float) -> int:
        return int(at // self._length_s * self._length_s)

    def _rotate(self, start: int) -> Segment:
        self._close_open()
        self._sequence += 1
        id = WindowId(start, self._sequence, self._gateway)
        segment = Segment(id, self._length_s, journal_path(self._folder, id))
        self._tell(segment.open())
        self._open = segment
        return segment

    def _close_open(self) -> None:
        if self._open is not None:
            self._open.close()
            self._closed.append(self._open)
            self._open = None

    def _tell(self, error: OSError | None) -> None:
        if (error is not None) != self._is_failing:
            self._is_failing = error is not None
            if error is not None:
                log.warning("the journal cannot be written (%s): figures are kept in memory only", error)
            else:
                log.info("the journal can be written again")
