"""A worker of HAProxy that is told to end: it sends no records any more, but goes on counting what it still carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from .runtime import Conversation, Runtime, RuntimeFailure, parse_stat

Rows = list[dict[str, str]]
Entered = Callable[[int, int], int]


class Parting:
    """Keeps in touch with one worker, which ends no earlier. `known` are the counts on record when another came."""

    def __init__(self, conversation: Conversation, worker: int) -> None:
        self._conversation = conversation
        self.worker = worker
        self.known: Entered | None = None

    async def ask(self) -> Rows | None:
        """Return what it has counted, None where it is gone."""
        with suppress(RuntimeFailure):
            return parse_stat((await self._conversation.run(["show stat -1 3 -1"]))[0])
        return None

    def close(self) -> None:
        self._conversation.close()


async def part(runtime: Runtime, worker: int) -> Parting | None:
    """Return the way to the worker that runs now, None where it does not answer."""
    with suppress(RuntimeFailure):
        return Parting(await runtime.converse(), worker)
    return None


def is_done(rows: Rows) -> bool:
    """Return whether no caller is connected, and nothing is carried."""
    return not any(int(row["scur"] or 0) for row in rows)


def sum_entered(known: Entered, strangers: Mapping[tuple[int, int, int], int], worker: int) -> Entered:
    """Return how many requests are on record, those included whose records came after another worker did."""
    return lambda slot, hundreds: known(slot, hundreds) + strangers.get((worker, slot, hundreds), 0)
