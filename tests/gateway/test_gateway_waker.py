"""Who tells the server to wake a deployment: at any time once, and again whenever it has become idle again."""

from __future__ import annotations

import asyncio

import pytest

from serai.gateway.waker import Waker


class Told:
    """A server that is told, and whether a deployment is to be woken."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.is_idle = True
        self.answering = asyncio.Event()
        self.waker = Waker(self._wake, lambda _: self.is_idle)

    async def _wake(self, deployment: str) -> None:
        self.names.append(deployment)
        await self.answering.wait()

    def is_woken_by_another(self) -> None:
        self.is_idle = False
        self.waker.settle(["m"])

    async def ask(self, steps: int = 3) -> None:
        """Have it woken, and give the call so many steps."""
        self.is_idle = True
        self.waker.want("m")
        for _ in range(steps):
            await asyncio.sleep(0)


@pytest.mark.parametrize("steps", [0, 1, 3], ids=["before the call", "as it begins", "within the call"])
def test_one_that_was_woken_by_another_is_woken_when_it_is_idle_again(steps: int) -> None:
    async def live() -> list[str]:
        told = Told()
        await told.ask(steps)
        told.is_woken_by_another()
        told.names.clear()
        await told.ask()
        await told.ask()
        await told.waker.close()
        assert len(asyncio.all_tasks()) == 1
        return told.names

    assert asyncio.run(live()) == ["m"]
