"""What the checks of replicas last answered, and which replica is asked next: bookkeeping without any I/O.

Nomad tells a check's result only to who asks the replica's client, one call a replica, and no event says that it has
changed; a port is probed by Serai itself (probe.py). So replicas on their way to ready and those in doubt are asked
often, ready ones in turns, and both within a budget of calls a second: at 3,000 ready replicas each is looked at about
once a minute, while the gateways, which feel a broken one with the next request, route around it. Probing HTTP paths
ourselves, too, was rejected: Nomad's check runs on the replica's own node, goes on while we are away, and is what
people see in Nomad.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .facts import Json, Remembered
from .probe import is_silent

STRIKES = 3
STRIKES_ANSWERED = 2
EAGER_S = 0.2
EAGER_CALLS_PER_S = 60.0
CALM_CALLS_PER_S = 40.0


@dataclass(slots=True)
class _Seen:
    """One replica. `answer` is what counts, `asked_at` and times are monotonic seconds."""

    workload: str
    restarts: int
    answer: Json | None = None
    is_known: bool = False
    asked_at: float = float("-inf")
    stamp: float = -1.0
    strikes: int = 0

    @property
    def is_ready(self) -> bool:
        return self.is_known and has_passed(self.answer)

    @property
    def is_calm(self) -> bool:
        return self.is_ready and not self.strikes


class CheckBoard:
    """Keeps the answers of watched replicas. Safe from any thread.

    A replica that was ready stays so until its check has failed STRIKES times in a row, or its client has not
    answered so often: one slow answer of a busy model must not take it out of the routes. A model that answers badly
    is not slow, so for that STRIKES_ANSWERED are enough.
    """

    def __init__(
        self, calm_s: float, clock: Callable[[], datetime], memory: Mapping[str, Remembered] | None = None
    ) -> None:
        """`memory` is what an earlier server remembered, as `take_unsaved` gave it."""
        self._calm_s = calm_s
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._memory: dict[str, Remembered] = dict(memory or {})
        self._is_unsaved = False
        self._listed: dict[str, frozenset[str]] = {}

    def watch(self, workload: str, running: Mapping[str, int], listed: Collection[str] = ()) -> None:
        """Watch the running replicas of a workload, by their restarts so far, and no others of it.

        What is remembered of a replica is kept while it is `listed`, running or not.
        """
        with self._lock:
            before = self._listed.get(workload, frozenset())
            self._listed[workload] = frozenset(running) | frozenset(listed)
            for gone in before - self._listed[workload]:
                self._memory.pop(gone, None)
            for ended in before - running.keys():
                self._seen.pop(ended, None)
            if not self._listed[workload]:
                del self._listed[workload]
            for id, restarts in running.items():
                if id not in self._seen or self._seen[id].restarts != restarts:
                    # a new process: what an old one answered says nothing of it
                    self._seen[id] = _Seen(workload, restarts)

    def take(self, allocation: str, answer: Json | None, now: float) -> str | None:
        """Take an answer; return the workload if what counts has changed."""
        with self._lock:
            seen = self._seen.get(allocation)
            if seen is None:
                return None
            seen.asked_at = now
            if not self._is_news(seen, answer) or (seen.is_ready and is_silent(answer)):
                return None
            before, was_known = seen.answer, seen.is_known
            if has_passed(answer) and not seen.is_ready:
                self._memory[allocation] = Remembered(True, seen.restarts, self._clock())
                self._is_unsaved = True
            self._judge(seen, answer)
            return None if was_known and before == seen.answer else seen.workload

    def workload_of(self, allocation: str) -> str | None:
        with self._lock:
            return seen.workload if (seen := self._seen.get(allocation)) else None

    def keep(self, listed: Iterable[str]) -> None:
        """Forget what is remembered of all replicas but these."""
        with self._lock:
            kept = {id: self._memory[id] for id in listed if id in self._memory}
            self._is_unsaved |= len(kept) != len(self._memory)
            self._memory = kept

    def take_unsaved(self) -> dict[str, Remembered] | None:
        """Return what is remembered if it has changed since the last call, else None."""
        with self._lock:
            was_unsaved, self._is_unsaved = self._is_unsaved, False
            return dict(self._memory) if was_unsaved else None

    def answers(self, allocations: Collection[str]) -> dict[str, Json | None]:
        """Return what counts, of those replicas that have been asked."""
        with self._lock:
            return {id: seen.answer for id in allocations if (seen := self._seen.get(id)) and seen.is_known}

    def remembered(self, allocations: Collection[str]) -> dict[str, Remembered]:
        """Return what was seen of replicas that were ready."""
        with self._lock:
            return {id: self._memory[id] for id in allocations if id in self._memory}

    def due(self, now: float, at_most: int) -> list[str]:
        """Return the replicas to ask now, those not ready or in doubt first, each group the longest waiting first."""
        with self._lock:
            eager = [id for id, seen in self._seen.items() if not seen.is_calm]
            calm = [id for id, seen in self._seen.items() if seen.is_calm]
            eager_s = max(EAGER_S, len(eager) / EAGER_CALLS_PER_S)
            calm_s = max(self._calm_s, len(calm) / CALM_CALLS_PER_S)
            waiting = self._overdue(eager, eager_s, now) + self._overdue(calm, calm_s, now)
            return waiting[:at_most]

    def unasked(self, allocations: Collection[str]) -> list[str]:
        """Return those that nobody has asked yet."""
        with self._lock:
            return [id for id in allocations if (seen := self._seen.get(id)) and not seen.is_known]

    def _overdue(self, ids: list[str], period_s: float, now: float) -> list[str]:
        late = [id for id in ids if now - self._seen[id].asked_at >= period_s]
        return sorted(late, key=lambda id: self._seen[id].asked_at)

    def _is_news(self, seen: _Seen, answer: Json | None) -> bool:
        """Tell whether the check has run since the last answer; having none is news each time."""
        if not answer:
            return True
        stamp = max((float(check.get("Timestamp") or 0) for check in answer.values()), default=0.0)
        is_new = stamp != seen.stamp or not seen.is_known
        seen.stamp = stamp
        return is_new

    def _judge(self, seen: _Seen, answer: Json | None) -> None:
        passed = has_passed(answer)
        seen.strikes = 0 if passed else seen.strikes + 1
        if passed or not seen.is_ready or seen.strikes >= (STRIKES_ANSWERED if _is_answered(answer) else STRIKES):
            seen.answer = answer
        seen.is_known = True


def has_passed(answer: Json | None) -> bool:
    """Tell whether there is at least one check and all succeed."""
    return bool(answer) and all(check.get("Status") == "success" for check in (answer or {}).values())


def _is_answered(answer: Json | None) -> bool:
    """Tell whether the model itself answered a check."""
    return any(check.get("StatusCode") for check in (answer or {}).values())
