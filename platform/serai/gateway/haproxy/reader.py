"""Take HAProxy's records as they come, and count them by slot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable

from serai.gateway.record import RequestRecord

from .records import parse_record

log = logging.getLogger(__name__)

# Records are on their way for a few milliseconds; after so long without any there are none.
_QUIET_S, _SETTLE_S = 0.05, 2.0


class Records:
    """Keeps records by `keep`; `counts` has how many requests of each slot are accounted for.

    What began before this was made, and was carried by a process that is gone, is kept here, too.
    """

    def __init__(self, keep: Callable[[RequestRecord], None]) -> None:
        self._keep = keep
        self._since_us = int(time.time() * 1e6)
        self._is_puzzled = False
        self._came_at = 0.0
        self.counts: Counter[str] = Counter()

    def connection(self) -> Connection:
        """Return a protocol for one of HAProxy's connections."""
        return Connection(self)

    async def settle(self) -> None:
        """Return when no more records come, or after a moment."""
        loop = asyncio.get_running_loop()
        self._came_at, deadline = loop.time(), loop.time() + _SETTLE_S
        while loop.time() < min(deadline, self._came_at + _QUIET_S):
            await asyncio.sleep(_QUIET_S / 5)

    def take(self, lines: Iterable[bytes]) -> None:
        """Take whole lines; one that cannot be read is said once, and left to the comparison of counts."""
        self._came_at = asyncio.get_running_loop().time()
        for line in lines:
            try:
                parsed = parse_record(line, self._since_us)
            except (ValueError, IndexError) as error:
                self._puzzle(line, error)
                continue
            if parsed is not None:
                self._count(*parsed)

    def _count(self, slot: str, record: RequestRecord | None) -> None:
        self.counts[slot] += 1
        if record is not None:
            self._keep(record)

    def _puzzle(self, line: bytes, error: Exception) -> None:
        if not self._is_puzzled and line.strip():
            self._is_puzzled = True
            log.error("a record of HAProxy cannot be read (%s): %r", error, line[:300])


class Connection(asyncio.Protocol):
    """Splits what comes into lines."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._records.take(lines)
