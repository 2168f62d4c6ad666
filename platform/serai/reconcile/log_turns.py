"""Whose log is to be collected next: sooner where lines come, seldom where none do, no more when all was said."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

from serai.plugin.log_store import LogKey

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
FAILURE_PAUSE_S = 30.0
# So many replicas may be looked at in a second where none of them writes: on Nomad a look takes three calls.
_QUIET_RATE = 20
# So many that are new are looked at at once: a server that has just started finds all of a cluster new.
_AT_ONCE = 100
# Who wrote a moment ago may do so again.
_LIVELY_S = 300.0
# The last bytes of a process may be written after its end was told.
_LAST_LOOKS = 2


@dataclass(slots=True)
class _Turn:
    is_live: bool
    was_live: bool = True
    pause_s: float = FIRST_PAUSE_S
    quiet_looks: int = 0
    wrote_at: float = float("-inf")


class Turns:
    """Bookkeeping without a clock and without locks: `now` is an argument, in seconds of any origin."""

    def __init__(self) -> None:
        self._turns: dict[LogKey, _Turn] = {}
        self._due: list[tuple[float, LogKey]] = []
        self._finished: set[LogKey] = set()

    def update(self, live: Collection[LogKey], ended: Collection[LogKey], now: float) -> None:
        """Take over which replicas there are. One that is no longer there has ended."""
        alive, known = frozenset(live), frozenset(live) | frozenset(ended)
        self._finished &= known - alive
        for number, key in enumerate(sorted(known - self._turns.keys() - self._finished)):
            self._turns[key] = _Turn(key in alive)
            heapq.heappush(self._due, (now + max(0, number - _AT_ONCE) / _QUIET_RATE, key))
        for key, turn in self._turns.items():
            turn.is_live = key in alive

    def take(self, now: float) -> LogKey | None:
        """Return a replica whose turn it is; it has none until `note` is told what came of it."""
        if not self._due or self._due[0][0] > now:
            return None
        key = heapq.heappop(self._due)[1]
        turn = self._turns[key]
        turn.was_live = turn.is_live  # what ends while it is read may write after that
        return key

    def wait_s(self, now: float) -> float:
        """Return for how long it is nobody's turn; infinite while there is nobody."""
        return max(0.0, self._due[0][0] - now) if self._due else float("inf")

    def note_read(self, key: LogKey, count: int, now: float) -> bool:
        """Take note of `count` new lines; True if the replica has ended and everything was read."""
        turn = self._turns[key]
        turn.quiet_looks = 0 if count or turn.was_live else turn.quiet_looks + 1
        if turn.quiet_looks >= _LAST_LOOKS:
            self._finish(key)
            return True
        turn.wrote_at = now if count else turn.wrote_at
        turn.pause_s = FIRST_PAUSE_S if count else self._quiet_pause_s(turn, now)
        heapq.heappush(self._due, (now + turn.pause_s, key))
        return False

    def _quiet_pause_s(self, turn: _Turn, now: float) -> float:
        """Return how long to leave a replica that had nothing to say: longer each time, and long at once in a crowd."""
        crowd_s = len(self._turns) / _QUIET_RATE
        if crowd_s <= LONGEST_PAUSE_S or now - turn.wrote_at < _LIVELY_S:
            return min(1.5 * turn.pause_s, LONGEST_PAUSE_S)
        return min(max(1.5 * turn.pause_s, crowd_s / 2), crowd_s)

    def note_failure(self, key: LogKey, now: float) -> None:
        """Try again, less and less often."""
        turn = self._turns[key]
        turn.pause_s = min(2 * turn.pause_s, FAILURE_PAUSE_S)
        heapq.heappush(self._due, (now + turn.pause_s, key))

    def note_missing(self, key: LogKey, now: float) -> bool:
        """Take note that the scheduler does not know the log: not yet, or, if the replica has ended, no more (True)."""
        if self._turns[key].was_live:
            self.note_failure(key, now)
            return False
        self._finish(key)
        return True

    def _finish(self, key: LogKey) -> None:
        del self._turns[key]
        self._finished.add(key)
