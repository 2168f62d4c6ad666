"""Callers that ask again and again, for tests that do something to a gateway meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp


class Load:
    """`failures` are answers other than 200, and broken connections."""

    def __init__(self, url: str, callers: int = 4) -> None:
        self.answered = 0
        self.failures: Counter[object] = Counter()
        self._url = url
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call()) for _ in range(callers)]

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _call(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self._over.is_set():
                try:
                    async with session.get(self._url) as response:
                        await response.read()
                        if response.status == 200:
                            self.answered += 1
                        else:
                            self.failures[response.status] += 1
                except aiohttp.ClientError as error:
                    self.failures[type(error).__name__] += 1
                await asyncio.sleep(0.002)
