"""Follow the server's routes by blocking reads, and go on with the last ones for as long as it is away."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from serai.domain.errors import ServerUnavailable
from serai.domain.routes import RouteChange, RouteTable, apply_change

from .backoff import derive_pause
from .control import ControlPlane, Refused
from .table_file import TableFile

log = logging.getLogger(__name__)

_WAIT_S = 30.0
# While replicas wait for their last requests to end, the server is told this often how far they are.
_LEAVING_WAIT_S = 0.2
_SAVE_SOON_S, _SAVE_EVERY_S = 0.05, 0.5
# A server that answers sooner than this without news is about to end, or holds as many reads as it may. It must not be
# asked in a tight loop, nor so seldom (0.8 s) that a revoked key would be honoured for long.
_HASTY_S = 1.0
_HASTY_FAILURES = 3


class Follower:
    """Keeps `table` at what the server says and hands every change to `apply`.

    With each read the server learns which table is in effect here and which replicas, by `leaving`, still carry
    requests although they are in it no more: it stops them when no gateway needs them.
    `reachable_since` and `unreachable_since` are epoch seconds; one of them is None.
    """

    def __init__(
        self,
        control: ControlPlane,
        file: TableFile,
        apply: Callable[[RouteTable], Awaitable[None]],
        leaving: Callable[[], frozenset[str]],
    ) -> None:
        self._control = control
        self._file = file
        self._apply = apply
        self._leaving = leaving
        self._random = random.Random()  # noqa: S311 - jitter, no secret
        self._unsaved = asyncio.Event()
        self.table: RouteTable | None = None
        self.reachable_since: float | None = None
        self.unreachable_since: float | None = time.time()

    async def load(self) -> None:
        """Begin with the table on disk, if there is one."""
        self.table = await asyncio.to_thread(self._file.load)
        if self.table is not None:
            log.info("serving %d deployments from the saved routes", len(self.table.routes))
            await self._apply(self.table)

    async def follow(self) -> None:
        """Follow for ever."""
        failures, index = 0, self.table.index if self.table else 0
        while True:
            leaving = self._leaving()
            wait_s = self._derive_wait(bool(leaving))
            began = time.monotonic()
            try:
                change = await self._control.load_change(index, wait_s, leaving)
            except ServerUnavailable as error:
                self._note_unreachable(error.message)
            except (Refused, ValueError) as error:
                self._note_unreachable(str(error))
                index = 0  # whatever led here, the whole table leads out
            else:
                self._note_reachable()
                index = await self._take(change)
                took_s = time.monotonic() - began
                if wait_s == 0 or is_news(change) or took_s > min(_HASTY_S, wait_s / 2):
                    failures = 0
                    continue
                failures = min(failures, _HASTY_FAILURES)
            failures += 1
            await asyncio.sleep(derive_pause(failures, self._random.random()))

    def _derive_wait(self, is_leaving: bool) -> float:
        if self.reachable_since is None:
            return 0.0  # asked for at once: the answer tells that the server is there again
        return _LEAVING_WAIT_S if is_leaving else _WAIT_S

    async def save(self) -> None:
        """Save new tables for ever, in a twentieth of the time at most: the newest is what counts."""
        while True:
            await self._unsaved.wait()
            began = time.monotonic()
            await self.save_now()
            await asyncio.sleep(min(_SAVE_EVERY_S, max(_SAVE_SOON_S, 20 * (time.monotonic() - began))))

    async def save_now(self) -> None:
        """Save the table if it is newer than the file."""
        if not self._unsaved.is_set() or self.table is None:
            return
        self._unsaved.clear()
        try:
            await asyncio.to_thread(self._file.save, self.table)
        except OSError as error:
            log.warning("the routes cannot be saved: %s", error)

    async def _take(self, change: RouteChange) -> int:
        if is_news(change):
            self.table = apply_change(self.table, change)
            await self._apply(self.table)
            self._unsaved.set()
        return change.index

    def _note_reachable(self) -> None:
        if self.reachable_since is None:
            self.reachable_since, self.unreachable_since = time.time(), None
            log.info("following the server's routes")

    def _note_unreachable(self, message: str) -> None:
        if self.unreachable_since is None or self.reachable_since is not None:
            self.reachable_since, self.unreachable_since = None, time.time()
            log.warning("serving on without the server: %s", message)


def is_news(change: RouteChange) -> bool:
    """Return whether a change changes anything."""
    return change.full or bool(change.routes) or bool(change.removed)
