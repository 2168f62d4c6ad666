"""End HAProxy in good order: take no more, let requests finish, and have those on record that are cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from serai.gateway.record import RequestRecord

from .listening import refuse_connections
from .names import HANDED, RESCUE, parse_server_name
from .render import FRONTEND
from .runtime import Runtime, RuntimeFailure, parse_stat

_LOOK_EVERY_S = 0.02
_CUT_SHORT = 503


async def drain(runtime: Runtime, addresses: Sequence[tuple[str, int]], timeout_s: float) -> None:
    """Take no new connections, close those that stay after their next answer; wait for what is in flight."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    with suppress(RuntimeFailure):
        await runtime.ask(f"shutdown frontend {FRONTEND}")
        for address in addresses:
            await asyncio.to_thread(refuse_connections, runtime.path, address)
        while await _count_in_flight(runtime) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)


async def record_cut(runtime: Runtime, deployments: dict[str, str]) -> list[RequestRecord]:
    """Return records of what replicas still answer: HAProxy leaves none when it is ended. Times are to the second.

    `deployments` are by slot.
    """
    try:
        text = await runtime.ask("show sess")
    except RuntimeFailure:
        return []
    return list(parse_sessions(text, deployments, time.time()))


def parse_sessions(text: str, deployments: dict[str, str], now: float) -> Iterator[RequestRecord]:
    """Yield a record for each request of `show sess` that a replica has."""
    for line in text.splitlines():
        words = dict(word.partition("=")[::2] for word in line.split() if "=" in word)
        slot, server = words.get("be", ""), words.get("srv", "<none>")
        if words.get("fe") != FRONTEND or slot == HANDED or server in (RESCUE, "<none>") or slot not in deployments:
            continue
        age_s = parse_age(words.get("age", "0s"))
        version, replica = parse_server_name(server)
        yield RequestRecord(
            now, deployments[slot], version, replica, _CUT_SHORT, age_s, None, 0.0, 0, 0, "", "", "", ""
        )


def parse_age(text: str) -> float:
    """Return the seconds of `1m02s` and the like: two units at most."""
    seconds, number = 0.0, ""
    for letter in text:
        if letter.isdigit():
            number += letter
        elif number:
            seconds += int(number) * {"d": 86400, "h": 3600, "m": 60, "s": 1}.get(letter, 0)
            number = ""
    return seconds


async def _count_in_flight(runtime: Runtime) -> int:
    """Return the requests that HAProxy has in flight, those handed over included."""
    return sum(int(row["scur"]) for row in parse_stat(await runtime.ask("show stat -1 2 -1")))
