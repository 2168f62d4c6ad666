"""What the checks of replicas last answered, and which replica is asked next: bookkeeping without any I/O.

Nomad tells a check's result only to who asks the replica's client, one call a replica, and no event says that it has
changed. So replicas on their way to ready are asked often, ready ones in turns, and both within a budget of calls a
second: at 3,000 ready replicas each is looked at about once a minute, while the gateways, which feel a broken one
with the next request, route around it. Probing the addresses ourselves was rejected: it would double the load on
models, need a way from the server to every node's ports, and disagree with what people see in Nomad.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass

from .facts import Json, Remembered

STRIKES = 3
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
    was_ready: bool = False
    restarts_when_ready: int = 0

    @property
    def is_ready(self) -> bool:
        return self.is_known and has_passed(self.answer)


class CheckBoard:
    """Keeps the answers of watched replicas. Safe from any thread.

    A replica that was ready stays so until its check has failed STRIKES times in a row, or its client has not
    answered so often: one slow answer of a busy model must not take it out of the routes.
    """

    def __init__(self, calm_s: float) -> None:
        self._calm_s = calm_s
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def watch(self, workload: str, allocations: dict[str, int]) -> None:
        """Watch these running replicas of a workload, by their restarts so far, and forget its others."""
        with self._lock:
            for gone in [id for id, seen in self._seen.items() if seen.workload == workload and id not in allocations]:
                del self._seen[gone]
            for id, restarts in allocations.items():
                seen = self._seen.setdefault(id, _Seen(workload, restarts))
                if seen.restarts != restarts:  # a new process: what the old one answered says nothing of it
                    seen.restarts, seen.answer, seen.is_known = restarts, None, False
                    seen.asked_at, seen.stamp, seen.strikes = float("-inf"), -1.0, 0

    def take(self, allocation: str, answer: Json | None, now: float) -> str | None:
        """Take an answer; return the workload if what counts has changed."""
        with self._lock:
            seen = self._seen.get(allocation)
            if seen is None:
                return None
            seen.asked_at = now
            if not self._is_news(seen, answer):
                return None
            before, was_known = seen.answer, seen.is_known
            self._judge(seen, answer)
            return None if was_known and before == seen.answer else seen.workload

    def answers(self, allocations: Collection[str]) -> dict[str, Json | None]:
        """Return what counts, of those replicas that have been asked."""
        with self._lock:
            return {id: seen.answer for id in allocations if (seen := self._seen.get(id)) and seen.is_known}

    def remembered(self, allocations: Collection[str]) -> dict[str, Remembered]:
        """Return what was seen of replicas that were ready."""
        with self._lock:
            return {
                id: Remembered(True, seen.restarts_when_ready)
                for id in allocations
                if (seen := self._seen.get(id)) and seen.was_ready
            }

    def due(self, now: float, at_most: int) -> list[str]:
        """Return the replicas to ask now, those on their way to ready first, each group the longest waiting first."""
        with self._lock:
            eager = [id for id, seen in self._seen.items() if not seen.is_ready]
            calm = [id for id, seen in self._seen.items() if seen.is_ready]
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
        if passed:
            seen.was_ready, seen.restarts_when_ready = True, seen.restarts
        if passed or not seen.is_ready or seen.strikes >= STRIKES:
            seen.answer = answer
        seen.is_known = True


def has_passed(answer: Json | None) -> bool:
    """Tell whether there is at least one check and all succeed."""
    return bool(answer) and all(check.get("Status") == "success" for check in (answer or {}).values())
