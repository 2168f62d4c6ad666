"""Whose turn it is to be asked how it is: three queues, each in the order in which its replicas were asked last.

Nothing here depends on how many replicas wait: to put one at an end and to read from a beginning is all there is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, islice

EAGER_S = 0.15


@dataclass(frozen=True, slots=True)
class Lane:
    """A way of asking, with its budget: most asks a second of replicas on their way to ready, and of ready ones."""

    name: str
    eager_per_s: float
    calm_per_s: float


# A probe costs this process 0.2 ms and Nomad nothing; a check costs each of them more than 1 ms.
PROBES = Lane("probes", 500.0, 100.0)
CHECKS = Lane("checks", 60.0, 40.0)


class Mood(Enum):
    """NEW: never asked, so asked at once. EAGER: not ready, or in doubt. CALM: ready."""

    NEW = auto()
    EAGER = auto()
    CALM = auto()


class Turns:
    """The turns of one lane; times are monotonic seconds. Has one caller at a time."""

    def __init__(self, lane: Lane, calm_s: float) -> None:
        self._lane = lane
        self._calm_s = calm_s
        self._queues: dict[Mood, OrderedDict[str, float]] = {mood: OrderedDict() for mood in Mood}

    def put(self, id: str, mood: Mood, asked_at: float = 0.0) -> None:
        """Have `id` wait behind all others of its mood."""
        self.drop(id)
        self._queues[mood][id] = asked_at

    def drop(self, id: str) -> None:
        for queue in self._queues.values():
            queue.pop(id, None)

    def note_asked(self, id: str, now: float) -> None:
        """Note that `id` is being asked: its next turn is a period from now, whatever comes of it."""
        for mood, queue in self._queues.items():
            if id in queue:
                self.put(id, Mood.EAGER if mood is Mood.NEW else mood, now)
                return

    def due(self, now: float, for_s: float) -> list[str]:
        """Return whom to ask now: new ones, then eager ones, then calm ones, the longest waiting first.

        No more than the budget gives `for_s` seconds, so that those who were asked all at once are not so again.
        """
        eager = chain(self._waiting(Mood.NEW, now), self._waiting(Mood.EAGER, now))
        calm = self._waiting(Mood.CALM, now)
        budget = ((eager, self._lane.eager_per_s), (calm, self._lane.calm_per_s))
        return [id for waiting, per_s in budget for id in islice(waiting, max(1, round(per_s * for_s)))]

    def _waiting(self, mood: Mood, now: float) -> Iterator[str]:
        period_s = self._period_s(mood)
        for id, asked_at in self._queues[mood].items():
            if now - asked_at < period_s:
                return
            yield id

    def _period_s(self, mood: Mood) -> float:
        if mood is Mood.NEW:
            return float("-inf")
        if mood is Mood.EAGER:
            return max(EAGER_S, len(self._queues[mood]) / self._lane.eager_per_s)
        return max(self._calm_s, len(self._queues[mood]) / self._lane.calm_per_s)
