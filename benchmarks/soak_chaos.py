"""The faults of a soak: parts of an installation are killed at random, and versions are replaced."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from benchmarks.soak_load import Caller
from benchmarks.soak_world import World
from serai.client.client import Client
from serai.domain.errors import SeraiError

# Seconds between two faults of a kind, on average.
AGENT_S, HAPROXY_S, SERVER_S, HANDOVER_S = 20.0, 60.0, 240.0, 150.0
# HAProxy is killed once its agent has been there for so long, and has read what waited for it.
APART_S = 3.0
# The gateway whose HAProxy is killed.
ROUGH = 2


@dataclass
class Faults:
    """What was done to an installation, by kind, and when."""

    began_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, what: str = "") -> None:
        self.done[kind] += 1
        self.tell(f"{kind} {what}".rstrip())

    def tell(self, what: str) -> None:
        print(f"{time.monotonic() - self.began_s:7.1f} s  {what}", flush=True)


class Chaos:
    """Kills at random, for a time."""

    def __init__(self, world: World, client: Client, rough: Caller, faults: Faults, minutes: float) -> None:
        self._world, self._client, self._rough, self._faults = world, client, rough, faults
        self._pace = min(1.0, minutes / 4)  # a short soak sees each kind, too
        self._dice = random.Random()
        self._version = 2
        self._rough_lock = asyncio.Lock()

    async def run_for(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._run()
        self._faults.tell("peace")

    async def _run(self) -> None:
        await asyncio.gather(
            self._every(AGENT_S, self._kill_agent),
            self._every(HAPROXY_S, self._kill_haproxy),
            self._every(SERVER_S, self._kill_server),
            self._every(HANDOVER_S, self._hand_over),
        )

    async def _every(self, mean_s: float, act: Callable[[], object]) -> None:
        while True:
            pause_s = self._dice.expovariate(1 / (mean_s * self._pace))
            await asyncio.sleep(min(max(1.0, pause_s), 3 * mean_s * self._pace))
            result = act()
            if asyncio.iscoroutine(result):
                await result

    async def _kill_agent(self) -> None:
        number = self._dice.randrange(len(self._world.ports))
        async with self._rough_lock if number == ROUGH else asyncio.Lock():
            if await asyncio.to_thread(self._world.kill_agent, number):
                self._faults.note("gateway agents killed", str(number + 1))

    async def _kill_haproxy(self) -> None:
        async with self._rough_lock:
            await self._await_agent()
            victim = await asyncio.to_thread(self._world.find_haproxy, ROUGH)
            if victim is None:
                return
            self._rough.note_kill()  # in the same breath: what is answered from now on is in doubt
            with suppress(psutil.NoSuchProcess):
                victim.kill()
            self._faults.note("HAProxy processes killed")
            await self._await_agent()

    async def _await_agent(self) -> None:
        """Wait until the agent of `rough` has answered for some time."""
        since = time.monotonic()
        while time.monotonic() < since + APART_S:
            if not await asyncio.to_thread(self._world.has_agent, ROUGH):
                since = time.monotonic()
            await asyncio.sleep(0.2)

    async def _kill_server(self) -> None:
        if await asyncio.to_thread(self._world.kill_server):
            self._faults.note("servers killed")

    async def _hand_over(self) -> None:
        self._version = 3 - self._version
        try:
            await asyncio.to_thread(self._client.start_version, "steady", self._version)
            self._faults.note("versions replaced", f"by {self._version}")
        except SeraiError as error:
            self._faults.note(f"handovers refused: {error.code}")
