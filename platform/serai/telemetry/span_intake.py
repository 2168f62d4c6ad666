"""What `/v1/traces` does with spans: count requests of other gateways, keep spans of models, refuse the rest."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from serai.domain.errors import CapacityExceeded
from serai.domain.window import Window

from .span_counter import SpanCounter
from .span_groups import Group, Sorter
from .trace_store import TraceStore

OLDEST_S = 86_400.0
"""How long ago a span may have ended: spans come late where a sender was cut off, and never a day late."""
AHEAD_S = 300.0
"""How far the clock of a sender may be ahead."""
_MOST_SAID = 3


@dataclass(frozen=True, slots=True)
class Refused:
    """How many spans of a batch were refused, and why, for people; "" where none was."""

    spans: int
    why: str


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a batch. `may_tell_of` says whether figures and spans of a deployment may come from it."""

    name: str
    may_tell_of: Callable[[str], bool]


class SpanIntake:
    """Takes batches of spans; safe to use from any thread.

    `versions_of` returns the numbers of a deployment's versions, None where there is no such deployment. `now` is the
    wall clock in epoch seconds. At most `places` batches are inside at once, of `most_bytes` altogether.
    """

    def __init__(
        self,
        take_windows: Callable[[Sequence[Window]], int],
        versions_of: Callable[[str], Collection[int] | None],
        now: Callable[[], float],
        gateway: str,
        places: int = 16,
        most_bytes: int = 64 * 2**20,
    ) -> None:
        self.traces = TraceStore()
        self._counter = SpanCounter(take_windows, gateway)
        self._versions_of = versions_of
        self._now = now
        self._lock = threading.Lock()
        self._places_left = places
        self._bytes_left = most_bytes

    @contextmanager
    def place(self) -> Iterator[Callable[[int], None]]:
        """Hold a batch's place and yield what takes room for its bytes; both raise CapacityExceeded when full."""
        room = [0]

        def take_room(size_bytes: int) -> None:
            self._take(0, size_bytes)
            room[0] += size_bytes

        self._take(1, 0)
        try:
            yield take_room
        finally:
            self._take(-1, -room[0])

    def _take(self, places: int, size_bytes: int) -> None:
        with self._lock:
            if places > self._places_left or size_bytes > self._bytes_left:
                raise CapacityExceeded("too many spans come at once; send them again soon", "too-many-spans", 1.0)
            self._places_left -= places
            self._bytes_left -= size_bytes

    def take(self, sorter: Sorter, sender: Sender) -> Refused:
        """Return what was refused once the rest is stored; requests of a batch that comes again are not counted again.

        Raise SeraiError where the figures cannot be stored: nothing was taken then.
        """
        judge = Judge(self._versions_of, sender.may_tell_of, self._now())
        whys: Counter[str] = Counter()
        if sorter.nameless:
            whys["a span needs a trace id of 16 bytes and an id of 8"] = sorter.nameless
        taken: list[Group] = []
        for group in sorter.groups():
            why = judge.find_fault(group) if group.count else ""
            if why:
                whys[why] += group.count
            elif group.count:
                taken.append(group)
        self._count(sender.name, [group for group in taken if group.is_request])
        for group in taken:
            if not group.is_request:
                self.traces.add(group.facts, group.spans)
        return Refused(whys.total(), _say(whys))

    def _count(self, sender: str, groups: Sequence[Group]) -> None:
        if groups:
            # A set's hash, as the order of spans tells how they were read, which may be otherwise when they come again.
            # It has 64 bits of which senders know nothing: one batch in 10**14 is taken for one that is remembered.
            ids = list(chain.from_iterable(group.ids for group in groups))
            self._counter.count(f"{len(ids)} {hash(frozenset(ids))} {sender}".encode(), groups)


class Judge:
    """Says why a group cannot be taken; asks once about each deployment."""

    def __init__(
        self, versions_of: Callable[[str], Collection[int] | None], may_tell_of: Callable[[str], bool], now: float
    ) -> None:
        self._versions_of = versions_of
        self._may_tell_of = may_tell_of
        self._now = now
        self._known: dict[str, Collection[int] | None] = {}

    def find_fault(self, group: Group) -> str:
        """Return a sentence about why the spans are refused, "" where they are not."""
        facts = group.facts
        if facts.wrong:
            return facts.wrong
        if not facts.deployment:
            return "a span, or its resource, has to say serai.deployment"
        if not self._now - OLDEST_S < group.start < self._now + AHEAD_S:
            return "a span has to end in the last 24 hours and no more than 5 minutes from now"
        versions = self._find_versions(facts.deployment)
        if versions is None:  # the same to those who may not know whether there is one
            return f"there is no deployment {facts.deployment!r} of which this token may tell"
        if facts.version and facts.version not in versions:
            return f"{facts.deployment} has no version {facts.version}"
        return ""

    def _find_versions(self, deployment: str) -> Collection[int] | None:
        if deployment not in self._known:
            versions = self._versions_of(deployment)
            is_open = versions is not None and self._may_tell_of(deployment)
            self._known[deployment] = versions if is_open else None
        return self._known[deployment]


def _say(whys: Counter[str]) -> str:
    """Return the commonest reasons, with how many spans each was of."""
    said = [f"{count} x {why}" for why, count in whys.most_common(_MOST_SAID)]
    more = len(whys) - len(said)
    return "; ".join([*said, f"and {more} more reasons"] if more else said)
