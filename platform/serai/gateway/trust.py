"""How long keys are gone by without the server: the time of the last contact, on disk, and what follows from it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_NOTE_S = 10.0


class KeysThen(StrEnum):
    """What a gateway does with keys that it could not ask about for too long."""

    KEEP = "keep"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class TrustRule:
    """Keys are gone by for `last_s` seconds without the server, and `then` kept or refused."""

    last_s: float = 86400.0
    then: str = KeysThen.KEEP

    def is_trusting(self, contact_at: float, now: float) -> bool:
        return self.then != KeysThen.REFUSE or now - contact_at < self.last_s


class Trust:
    """Tells by `tell` whenever `is_trusting` changes. The file's time is that of the last contact.

    Where there is no file yet, the time counts from now on.
    """

    def __init__(
        self, path: Path, rule: TrustRule, is_reachable: Callable[[], bool], tell: Callable[[bool], Awaitable[None]]
    ) -> None:
        self._path = path
        self._rule = rule
        self._is_reachable = is_reachable
        self._tell = tell
        self._look_s = min(_LOOK_S, rule.last_s / 10) or _LOOK_S
        self._contact_at = self._noted_at = 0.0
        self.is_trusting = True

    async def load(self) -> None:
        """Begin with the contact that is on disk."""
        now = time.time()
        try:
            self._contact_at = min(now, self._path.stat().st_mtime)  # a clock that went back gives no more time
        except OSError:
            await self._note(now)
        await self._look(now)

    async def watch(self) -> None:
        """Look after it for ever."""
        while True:
            await asyncio.sleep(self._look_s)
            await self._look(time.time())

    async def _look(self, now: float) -> None:
        if self._is_reachable():
            self._contact_at = now
            if not self._noted_at <= now < self._noted_at + min(_NOTE_S, self._rule.last_s / 10):
                await self._note(now)
        is_trusting = self._rule.is_trusting(self._contact_at, now)
        if is_trusting == self.is_trusting:
            return
        self.is_trusting = is_trusting
        if is_trusting:
            log.info("the server is there again: keys are gone by")
        else:
            log.error(
                "without the server for more than %g s: requests that need a key are refused (gateway_keys_then)",
                self._rule.last_s,
            )
        await self._tell(is_trusting)

    async def _note(self, now: float) -> None:
        self._contact_at = self._noted_at = now
        try:
            await asyncio.to_thread(_touch, self._path, now)
        except OSError as error:
            log.warning("the time of the last contact with the server cannot be kept: %s", error)


def _touch(path: Path, at: float) -> None:
    path.touch(mode=0o600)
    os.utime(path, (at, at))
