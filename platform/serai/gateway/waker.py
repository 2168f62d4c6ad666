"""Tell the server that requests wait for an idle deployment: once, and again for as long as it is in vain."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from serai.domain.errors import ServerUnavailable

from .backoff import derive_pause

log = logging.getLogger(__name__)

Wake = Callable[[str], Awaitable[None]]

# The table follows a wake within moments. A deployment that is idle still was told to be so since: it is told again.
_AGAIN_S = 2.0


class Waker:
    """Makes at most one call at a time for a deployment, whoever asks; `is_wanted` tells whether it is needed still."""

    def __init__(self, wake: Wake | None, is_wanted: Callable[[str], bool]) -> None:
        self._wake = wake
        self._is_wanted = is_wanted
        self._random = random.Random()  # noqa: S311 - jitter, no secret
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._troubles: dict[str, str] = {}

    def want(self, deployment: str) -> None:
        """See to it that the server is told."""
        if self._wake is not None and deployment not in self._tasks:
            self._tasks[deployment] = asyncio.create_task(self._tell(deployment, self._wake))

    def trouble(self, deployment: str) -> str:
        """Return why the server could not be told, "" where it could."""
        return self._troubles.get(deployment, "")

    def settle(self, deployments: list[str]) -> None:
        """End the calls that are not wanted any more, now that the routes of these deployments are others."""
        for deployment in deployments:
            if deployment in self._tasks and not self._is_wanted(deployment):
                self._end(deployment)

    async def close(self) -> None:
        for deployment in list(self._tasks):
            self._end(deployment)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _end(self, deployment: str) -> None:
        """Forget a call at once: one that is cancelled before its first step could not do so itself."""
        task = self._tasks.pop(deployment)
        self._troubles.pop(deployment, None)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    async def _tell(self, deployment: str, wake: Wake) -> None:
        failures = 0
        try:
            while self._is_wanted(deployment):
                try:
                    await wake(deployment)
                except ServerUnavailable as error:
                    failures += 1
                    self._note(deployment, error.message)
                    await asyncio.sleep(derive_pause(failures, self._random.random()))
                else:
                    failures = 0
                    self._troubles.pop(deployment, None)
                    log.info("%s: requests wait; the server was told to wake it", deployment)
                    await asyncio.sleep(_AGAIN_S)
        finally:
            if self._tasks.get(deployment) is asyncio.current_task():
                del self._tasks[deployment]
                self._troubles.pop(deployment, None)

    def _note(self, deployment: str, message: str) -> None:
        if deployment not in self._troubles:
            log.warning("%s: requests wait, and the server cannot be told to wake it: %s", deployment, message)
        self._troubles[deployment] = message
