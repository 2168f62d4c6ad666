"""Bring sampled requests to the server. They wait in memory, bounded: figures are what must not be lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque

from serai.domain.errors import ServerUnavailable
from serai.domain.finished import FinishedRequest

from .backoff import derive_pause
from .control import ControlPlane, Refused

log = logging.getLogger(__name__)

CAPACITY = 10_000
"""How many wait for the server; the oldest give way."""
_BATCH = 1000
_EVERY_S = 1.0


class SpanPost:
    """`keep` from the loop that `post` runs in. What is lost is counted, said once, and told to the server."""

    def __init__(self, control: ControlPlane, capacity: int = CAPACITY) -> None:
        self._control = control
        self._capacity = capacity
        self._random = random.Random()  # noqa: S311 - jitter, no secret
        self._waiting: deque[FinishedRequest] = deque()
        self._in_call: list[FinishedRequest] = []
        self._lost = 0
        self._is_losing = False

    def keep(self, request: FinishedRequest) -> None:
        """Have `request` sent."""
        self._waiting.append(request)
        if len(self._waiting) + len(self._in_call) > self._capacity:
            self._waiting.popleft()
            self._note_lost(1)

    async def post(self) -> None:
        """Send what comes, for ever."""
        failures = 0
        while True:
            await asyncio.sleep(derive_pause(failures, self._random.random()) if failures else _EVERY_S)
            try:
                await self.post_pending()
                failures = 0
            except ServerUnavailable:
                failures += 1

    async def post_pending(self) -> None:
        """Send what waits, in batches; raise ServerUnavailable with the rest still waiting."""
        while self._waiting or self._lost:
            self._in_call = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            lost = self._lost
            try:
                await self._control.send_spans(self._in_call, lost)
            except Refused as error:
                log.error("%d sampled requests are dropped, the server refuses them: %s", len(self._in_call), error)
                self._lost += len(self._in_call)
                return
            except BaseException:  # cancelled, too: they are sent with the last figures
                self._waiting.extendleft(reversed(self._in_call))
                raise
            finally:
                self._in_call = []
            self._lost -= lost
            self._is_losing = False

    def _note_lost(self, count: int) -> None:
        self._lost += count
        if not self._is_losing:
            log.warning("%d sampled requests wait for the server; the oldest are dropped", self._capacity)
        self._is_losing = True
