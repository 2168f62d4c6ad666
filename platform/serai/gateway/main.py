"""The gateway process."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable

from .agent import Agent
from .config import GatewayConfig
from .exhaustion import ExhaustionHandler


def say_nothing(url: str) -> None:
    """The log has the address already."""


def run(config: GatewayConfig, announce: Callable[[str], None] = say_nothing) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight; `announce(url)` is called when requests are taken.

    SIGUSR2 ends it, too, and leaves HAProxy behind, for the next gateway in the folder to take over.
    OSError where the address is taken; Conflict where another gateway has the folder.
    """
    _raise_descriptor_limit()
    asyncio.run(_run(config, announce))


async def _run(config: GatewayConfig, announce: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(ExhaustionHandler())
    stop = asyncio.Event()
    agent = Agent(config)

    def leave() -> None:
        agent.is_leaving = True
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR2, leave)
    await agent.run(stop, announce)


def _raise_descriptor_limit() -> None:
    """Two descriptors a request: the soft limit of a shell (1,024) would be 500 callers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
