"""Take HAProxy's records as they come, and enter them in the ledger."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from functools import partial
from typing import cast

from serai.gateway.engine import Announce, KeepAll
from serai.gateway.sampling import KeepSpan

from .ledger import Ledger
from .names import slot_number
from .piles import Heap, heap_up

log = logging.getLogger(__name__)

# Records are on their way for a few milliseconds; after so many looks without any there are none.
_QUIET_LOOKS = 50
_GATHER_S = 0.025
# Threads of HAProxy hand theirs in almost in order.
_MARGIN_US = 500_000


class Records:
    """Keeps records by `keep_all`, as many as came together.

    What began before this was made may have been carried by one like it that is gone.
    """

    def __init__(self, keep_all: KeepAll, ledger: Ledger, keep_span: KeepSpan | None = None) -> None:
        self._keep_all = keep_all
        self._keep_span = keep_span
        self._ledger = ledger
        self._since_us = int(time.time() * 1e6)
        self._is_puzzled = False
        self._quiet_looks = self._latest_us = self._mark_us = 0
        self.late: Counter[tuple[int, int]] = Counter()
        self.strangers: Counter[tuple[int, int, int]] = Counter()  # by worker, slot, hundreds
        self.connections = 0
        self._transports: set[asyncio.Transport] = set()

    def note_open(self, transport: asyncio.Transport) -> None:
        self.connections += 1
        self._transports.add(transport)

    def note_closed(self, transport: asyncio.Transport | None) -> None:
        self.connections -= 1
        self._transports -= {transport}

    def close(self) -> None:
        """Close connections: one that has paused would not see that HAProxy has ended."""
        for transport in self._transports:
            transport.abort()

    def connection(self) -> Connection:
        """Return a protocol for one of HAProxy's connections."""
        return Connection(self)

    def begin(self, worker: int) -> None:
        """Have the ledger count for a worker from now on, with what it did before it was known here."""
        if worker != self._ledger.worker:
            self._ledger.begin(worker)
            for (stranger, slot, hundreds), count in self.strangers.items():
                if stranger == worker:
                    self._ledger.add(slot, hundreds, count)
        for known in [known for known in self.strangers if known[0] == worker]:
            del self.strangers[known]

    def expect(self, mark_us: int) -> None:
        """Wait from now on for the records of requests that ended before `mark_us`; count younger ones in `late`."""
        self._mark_us, self.late, self._quiet_looks = mark_us, Counter(), 0

    def has_all(self) -> bool:
        """Return whether all of those have come, or are lost: none come any more, or younger ones do.

        To be asked again and again, with pauses in which records can be read: a process that was kept from its
        processor has looked once in all that time, and still has to read what waits.
        """
        self._quiet_looks += 1
        is_quiet = self._quiet_looks > _QUIET_LOOKS
        return bool(self.connections) and (is_quiet or self._latest_us > self._mark_us + _MARGIN_US)

    def take(self, text: bytes) -> None:
        """Take whole lines; one that cannot be read is said once, and left to the comparison of counts."""
        self._quiet_looks = 0
        heaps, unread = heap_up(text)
        for line in unread:
            self._puzzle(line)
        for heap in heaps:
            try:
                self._keep(heap)
            except (ValueError, IndexError):
                self._puzzle(heap.text.partition(b"\n")[0])
                continue
            self._enter(heap)

    def _keep(self, heap: Heap) -> None:
        """Keep what is on record nowhere else."""
        end = heap.way.end
        if not end.is_ours or end.is_unreached:
            self._keep_all(heap.make_pile(), self._announce(heap))
            if self._keep_span is not None:
                for request in heap.find_spans():
                    self._keep_span(request)
        elif end.is_broken:
            # A gateway that is gone took them along.
            orphans = heap.older_than(self._since_us)
            if orphans is not None:
                self._keep_all(orphans.make_pile(), None)  # fewer than are entered

    def _announce(self, heap: Heap) -> Announce | None:
        """Return how to say that the heap is written now, None where it is not in the ledger."""
        slot = slot_number(heap.way.backend.decode())
        if slot is None or heap.way.worker != self._ledger.worker:
            return None
        return partial(self._ledger.announce, slot, heap.way.end.hundreds)

    def _enter(self, heap: Heap) -> None:
        """Enter lines of the present worker in the ledger."""
        worker, hundreds, ended_us = heap.way.worker, heap.way.end.hundreds, heap.ended_us
        slot = slot_number(heap.way.backend.decode())
        if worker != self._ledger.worker:
            if slot is not None:
                self.strangers[worker, slot, hundreds] += len(ended_us)
            return
        self._latest_us = ended_us[-1]
        if slot is None:
            return
        self._ledger.add(slot, hundreds, len(ended_us))
        mark_us = self._mark_us
        is_all = min(ended_us) > mark_us  # as it nearly always is
        self.late[slot, hundreds] += len(ended_us) if is_all else sum(at_us > mark_us for at_us in ended_us)

    def _puzzle(self, line: bytes) -> None:
        if not self._is_puzzled and line.strip():
            self._is_puzzled = True
            log.error("a record of HAProxy cannot be read: %r", line[:300])


class Connection(asyncio.Protocol):
    """Splits what comes into lines, and lets more of them gather before it reads on: many cost little more than one."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._records.note_open(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._records.note_closed(self._transport)
        self._transport = None

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(_GATHER_S, self._read_on)
        text = self._rest + data
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        self._records.take(text[:end])
