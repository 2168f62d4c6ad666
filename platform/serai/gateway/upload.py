"""Bring figures to the server: close segments, spool their windows, send them until they are acknowledged."""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from serai.domain.errors import ServerUnavailable

from .backoff import derive_pause
from .control import ControlPlane, Refused
from .journal import Journal
from .segment import WindowId
from .spool import Spool

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_BATCH_WINDOWS = 50
_BATCH_BYTES = 4 * 2**20

P = ParamSpec("P")
T = TypeVar("T")


class Uploader:
    """Two loops, one closing and one sending, so that an absent server does not keep windows from the disk."""

    def __init__(self, journal: Journal, spool: Spool, control: ControlPlane) -> None:
        self._journal = journal
        self._spool = spool
        self._control = control
        self._random = random.Random()  # noqa: S311 - jitter, no secret
        self._disk = asyncio.Lock()
        self._has_more = asyncio.Event()
        self._has_more.set()

    async def close_windows(self) -> None:
        """Spool windows whose time is over, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.spool_closed()

    async def spool_closed(self, all: bool = False) -> None:
        """Spool windows whose time is over, or `all`."""
        for segment in self._journal.take_closed(all):
            await self._on_disk(self._spool.store, segment)
            self._has_more.set()

    async def send_windows(self) -> None:
        """Send what is spooled, for ever."""
        failures = 0
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            try:
                await self.send_pending()
                failures = 0
            except ServerUnavailable:
                failures += 1
                self._has_more.set()
                await asyncio.sleep(derive_pause(failures, self._random.random()))

    async def send_pending(self) -> None:
        """Send all that is spooled, oldest first; raise ServerUnavailable and keep what was not taken."""
        while batch := await self._on_disk(self._load_batch):
            try:
                await self._control.send_windows(list(batch.values()))
            except Refused as error:
                await self._send_one_by_one(batch, error)
            else:
                await self._on_disk(self._remove, batch)

    async def _send_one_by_one(self, batch: dict[WindowId, bytes], error: Refused) -> None:
        """Find the window that the server cannot take, and put it aside."""
        for id, window in batch.items():
            try:
                await self._control.send_windows([window])
            except Refused as refusal:
                log.error("window %s is put aside: %s", id, refusal)
                await self._on_disk(self._spool.reject, id)
            else:
                await self._on_disk(self._spool.remove, id)

    def _load_batch(self) -> dict[WindowId, bytes]:
        batch: dict[WindowId, bytes] = {}
        size_bytes = 0
        for id in self._spool.pending():
            try:
                window = self._spool.load(id)
            except (OSError, EOFError, zlib.error) as error:
                log.error("window %s cannot be read and is put aside: %s", id, error)
                self._spool.reject(id)
                continue
            if batch and size_bytes + len(window) > _BATCH_BYTES:
                break
            batch[id] = window
            size_bytes += len(window)
            if len(batch) == _BATCH_WINDOWS:
                break
        return batch

    def _remove(self, batch: dict[WindowId, bytes]) -> None:
        for id in batch:
            self._spool.remove(id)

    async def _on_disk(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        async with self._disk:
            return await asyncio.to_thread(work, *args, **named)
