"""Tell our own changes of a workload from somebody else's, by what it was told and what is seen of it. Pure.

it should have   seen                 somebody else
nothing told, never seen   -          nobody knows (a restarted server learns what is there from its first look)
told, not seen so yet      -          nobody knows (our order is on its way)
n, digest        the same             nothing
n, digest        nothing              removed it
n, digest        0                    stopped it
n, digest        another digest       changed what it runs
n, digest        m                    scaled it from n to m
0                nothing, or 0        nothing
0                m                    started it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from serai.domain.observation import Observation


class Deed(StrEnum):
    REMOVED = "removed"
    STOPPED = "stopped"
    REPLACED = "replaced"
    SCALED = "scaled"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a workload should look like: as it was told last, or as it was at the first look.

    `count` 0 stands for stopped and for gone. `is_seen`: it has been observed so since it was told.
    """

    digest: str
    count: int
    is_seen: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody else did to a workload; `before` and `after` are counts."""

    workload: str
    deed: Deed
    before: int
    after: int


def find_deed(expected: Expected, seen: Observation | None) -> Deed | None:
    """Return what somebody else did, None for nothing that could be told from our own orders."""
    if not expected.is_seen or is_as_told(expected, seen):
        return None
    if expected.count == 0:
        return Deed.STARTED
    if seen is None:
        return Deed.REMOVED
    if seen.count == 0:
        return Deed.STOPPED
    return Deed.REPLACED if seen.digest != expected.digest else Deed.SCALED


def is_as_told(expected: Expected, seen: Observation | None) -> bool:
    if seen is None or seen.count == 0:
        return expected.count == 0
    return (seen.digest, seen.count) == (expected.digest, expected.count)


def describe_change(change: Change, wanted: int) -> str:
    """Return a phrase that follows the version's name; `wanted` is the count that it is to have now."""
    match change.deed:
        case Deed.SCALED:
            return f"was scaled from {change.before} to {change.after} by somebody else{_put_right(change, wanted)}"
        case Deed.STARTED:
            return f"was started ({change.after}) by somebody else{_put_right(change, wanted)}"
        case Deed.REPLACED:
            return "was made to run something else by somebody else; it is set right"
        case Deed.REMOVED | Deed.STOPPED as deed:
            return f"was {deed} by somebody else{'; it is started again' if wanted else ''}"


def _put_right(change: Change, wanted: int) -> str:
    if wanted == change.after:
        return ", which is what is wanted now"
    return f"; it is set back to {wanted}" if wanted else "; it is stopped"


class Expectations:
    """What each workload should look like, in memory alone: a restarted server cannot know, and says nothing."""

    def __init__(self) -> None:
        self._expected: dict[str, Expected] = {}

    def note_order(self, workload: str, digest: str, count: int) -> None:
        """Note what a workload is told, before it is: an order whose answer gets lost may have been followed."""
        self._expected[workload] = Expected(digest, count)

    def compare(self, observed: Mapping[str, Observation], asked: frozenset[str] | None) -> list[Change]:
        """Return what somebody else did to the workloads `asked` for (None: all), each change once."""
        changes = []
        for workload in sorted(self._expected.keys() | observed.keys() if asked is None else asked):
            seen = observed.get(workload)
            expected = self._expected.get(workload)
            if expected is None:
                self._learn(workload, seen)
            elif deed := find_deed(expected, seen):
                changes.append(Change(workload, deed, expected.count, seen.count if seen else 0))
                self._learn(workload, seen)
            elif is_as_told(expected, seen):
                self._keep(workload, expected, seen)
        return changes

    def _learn(self, workload: str, seen: Observation | None) -> None:
        """Take what is there as what is known from now on."""
        if seen is None:
            self._expected.pop(workload, None)
        else:
            self._expected[workload] = Expected(seen.digest, seen.count, is_seen=True)

    def _keep(self, workload: str, expected: Expected, seen: Observation | None) -> None:
        if seen is None:  # stopped, and gone by now
            del self._expected[workload]
        elif not expected.is_seen:
            self._expected[workload] = replace(expected, is_seen=True)
