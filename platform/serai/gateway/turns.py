"""Lines of requests that wait for a free place at a replica: first come, first served, and bounded.

One loop, no locks. Whoever is first in a line is told to look when a place may be free, and tells the next one when it
leaves, with a place or without: a place is never lost, however its request ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

Line = tuple[str, int | None]  # the deployment, and the version that is insisted on


class LineFull(Exception):
    """As many requests as may wait do so."""


class Turn:
    """One request's place in a line, kept until the loop's time `until`."""

    __slots__ = ("line", "told", "until")

    def __init__(self, line: Line, until: float) -> None:
        self.line = line
        self.until = until
        self.told = asyncio.Event()


class Turns:
    """Who waits in which line."""

    def __init__(self) -> None:
        self._lines: dict[Line, dict[Turn, None]] = {}

    def count(self, deployment: str) -> int:
        """Return how many requests wait for a place at a replica of `deployment`."""
        return sum(len(turns) for (name, _), turns in self._lines.items() if name == deployment)

    def is_next(self, line: Line, turn: Turn | None) -> bool:
        """Return whether a request may take a free place: it is the first of its line, or new where nobody waits."""
        turns = self._lines.get(line)
        return not turns or next(iter(turns)) is turn

    def join(self, line: Line, limit: int, until: float) -> Turn:
        """Go to the end of a line of at most `limit`; raise LineFull. `leave` has to follow."""
        turns = self._lines.setdefault(line, {})
        if len(turns) >= limit:
            if not turns:
                del self._lines[line]
            raise LineFull(line[0])
        turn = Turn(line, until)
        turns[turn] = None
        return turn

    def leave(self, turn: Turn) -> None:
        """Leave the line; the next one looks whether there is a place for it, too."""
        turns = self._lines[turn.line]
        del turns[turn]
        if turns:
            next(iter(turns)).told.set()
        else:
            del self._lines[turn.line]

    def call(self, deployments: Iterable[str]) -> None:
        """Have the first of each line of these deployments look: a place is free, or the route is another."""
        if not self._lines:
            return
        names = set(deployments)
        for (name, _), turns in self._lines.items():
            if name in names:
                next(iter(turns)).told.set()


async def wait_turn(turn: Turn) -> bool:
    """Return True when the request is to look for a place, False when its time is up."""
    try:
        async with asyncio.timeout_at(turn.until):
            await turn.told.wait()
    except TimeoutError:
        return False
    turn.told.clear()
    return True
