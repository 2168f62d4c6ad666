"""What the checks of replicas last answered, and which replica is asked next: bookkeeping without any I/O.

Nomad tells a check's result only to who asks the replica's client, one call a replica, and no event says that it has
changed; a port is probed by Serai itself (probe.py). So replicas on their way to ready and those in doubt are asked
often, ready ones in turns, and both within a budget of asks a second, one for probes and one for Nomad's checks
(check_turns.py): of 3,000 ready replicas each is probed twice a minute, or Nomad asked about it once, while the
gateways, which feel a broken one with the next request, route around it. Probing HTTP paths ourselves, too, was
rejected: Nomad's check runs on the replica's own node, goes on while we are away, and is what people see in Nomad.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from serai_nomad.facts import Json, Remembered

from .check_turns import CHECKS, PROBES, Lane, Mood, Turns
from .probe import is_silent

STRIKES = 3
STRIKES_ANSWERED = 2
# What an earlier server saw last of a replica that was ready.
_REMEMBERED: Json = {"serai": {"Check": "ready", "Status": "success", "Output": "", "Timestamp": 0.0}}


@dataclass(slots=True)
class _Seen:
    """One replica. `answer` is what counts."""

    workload: str
    restarts: int
    lane: Lane
    answer: Json | None = None
    is_known: bool = False
    stamp: float = -1.0
    strikes: int = 0
    unanswered: int = 0

    @property
    def is_ready(self) -> bool:
        return self.is_known and has_passed(self.answer)

    @property
    def mood(self) -> Mood:
        """What is not ready, or in doubt, is asked often, unless its node does not answer: that takes 2 s each time."""
        is_calm = (self.is_ready and not self.strikes) or self.unanswered > 1
        return Mood.CALM if is_calm else Mood.EAGER


class CheckBoard:
    """Keeps the answers of watched replicas. Safe from any thread.

    A replica that was ready stays so until its check has failed STRIKES times in a row, or its client has not
    answered so often: one slow answer of a busy model must not take it out of the routes. A model that answers badly
    is not slow, so for that STRIKES_ANSWERED are enough. So it is, too, with one that was ready to an earlier server.
    """

    def __init__(
        self, calm_s: float, clock: Callable[[], datetime], memory: Mapping[str, Remembered] | None = None
    ) -> None:
        """`memory` is what an earlier server remembered, as `take_unsaved` gave it."""
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._turns = {lane: Turns(lane, calm_s) for lane in (PROBES, CHECKS)}
        self._revisions: dict[str, int] = {}
        self._memory: dict[str, Remembered] = dict(memory or {})
        self._is_unsaved = False
        self._listed: dict[str, frozenset[str]] = {}

    def watch(
        self, workload: str, running: Mapping[str, int], listed: Collection[str] = (), lane: Lane = CHECKS
    ) -> None:
        """Watch the running replicas of a workload, by their restarts so far, and no others of it, asked in `lane`.

        What is remembered of a replica is kept while it is `listed`, running or not.
        """
        with self._lock:
            before = self._listed.get(workload, frozenset())
            self._listed[workload] = frozenset(running) | frozenset(listed)
            for gone in before - self._listed[workload]:
                self._memory.pop(gone, None)
            for ended in before - running.keys():
                self._drop(ended)
            if not self._listed[workload]:
                del self._listed[workload]
                self._revisions.pop(workload, None)
            for id, restarts in running.items():
                if id not in self._seen or self._seen[id].restarts != restarts:
                    # a new process: what an old one answered says nothing of it
                    self._drop(id)
                    self._seen[id] = _Seen(workload, restarts, lane)
                    self._turns[lane].put(id, Mood.NEW)

    def take(self, allocation: str, answer: Json | None, now: float) -> str | None:
        """Take an answer that came at `now`; return the workload if what counts has changed."""
        with self._lock:
            seen = self._seen.get(allocation)
            if seen is None:
                return None
            is_news = self._judge(allocation, seen, answer)
            self._turns[seen.lane].put(allocation, seen.mood, now)
            if not is_news:
                return None
            self._revisions[seen.workload] = self._revisions.get(seen.workload, 0) + 1
            return seen.workload

    def revision(self, workload: str) -> int:
        """Return a number that is another one after what counts of a workload's answers has changed."""
        return self._revisions.get(workload, 0)

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

    def due(self, lane: Lane, now: float, for_s: float) -> list[str]:
        """Return the replicas to ask now, those not ready or in doubt first, each group the longest waiting first.

        No more than the lane's budget gives `for_s` seconds.
        """
        with self._lock:
            return self._turns[lane].due(now, for_s)

    def note_asked(self, allocation: str, now: float) -> None:
        """Note that a replica is being asked: it has its turn later, also if nothing comes of it."""
        with self._lock:
            if seen := self._seen.get(allocation):
                self._turns[seen.lane].note_asked(allocation, now)

    def unasked(self, allocations: Collection[str]) -> list[str]:
        """Return those that nobody has asked yet."""
        with self._lock:
            return [id for id in allocations if (seen := self._seen.get(id)) and not seen.is_known]

    def _was_ready(self, allocation: str, seen: _Seen) -> bool:
        """Tell whether this very process was ready to an earlier server."""
        known = self._memory.get(allocation)
        return known is not None and known.was_ready and known.restarts_when_ready == seen.restarts

    def _drop(self, allocation: str) -> None:
        if seen := self._seen.pop(allocation, None):
            self._turns[seen.lane].drop(allocation)

    def _is_news(self, seen: _Seen, answer: Json | None) -> bool:
        """Tell whether the check has run since the last answer; having none is news each time."""
        if not answer:
            return True
        stamp = max((float(check.get("Timestamp") or 0) for check in answer.values()), default=0.0)
        is_new = stamp != seen.stamp or not seen.is_known
        seen.stamp = stamp
        return is_new

    def _judge(self, allocation: str, seen: _Seen, answer: Json | None) -> bool:
        """Keep the answer if it counts; return whether it says something else than the one before."""
        seen.unanswered = seen.unanswered + 1 if answer is None else 0
        if not self._is_news(seen, answer) or (seen.is_ready and is_silent(answer)):
            return False
        passed, before = has_passed(answer), _say(seen)
        if not seen.is_known and not passed and self._was_ready(allocation, seen):
            seen.answer, seen.is_known = _REMEMBERED, True  # the first bad answer is a strike, as to an older server
            if is_silent(answer):
                return True
        if passed and not seen.is_ready:
            self._memory[allocation] = Remembered(True, seen.restarts, self._clock())
            self._is_unsaved = True
        seen.strikes = 0 if passed else seen.strikes + 1
        if passed or not seen.is_ready or seen.strikes >= (STRIKES_ANSWERED if _is_answered(answer) else STRIKES):
            seen.answer = answer
        seen.is_known = True
        return before != _say(seen)


def _say(seen: _Seen) -> object:
    """Return what is told of a replica: that a check was made again is no news, nor is what a good one said."""
    if not seen.is_known or seen.answer is None:
        return seen.is_known
    if seen.is_ready:
        return "ready"
    return {id: [check.get(key) for key in ("Status", "Output", "StatusCode")] for id, check in seen.answer.items()}


def has_passed(answer: Json | None) -> bool:
    """Tell whether there is at least one check and all succeed."""
    return bool(answer) and all(check.get("Status") == "success" for check in (answer or {}).values())


def _is_answered(answer: Json | None) -> bool:
    """Tell whether the model itself answered a check."""
    return any(check.get("StatusCode") for check in (answer or {}).values())
