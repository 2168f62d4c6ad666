"""Which replicas have to go and how many are missing: a pure function."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A live replica that is not on its way out."""

    id: str
    digest: str
    is_ready: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class Plan:
    stop: tuple[str, ...]
    missing: int


def plan_replicas(candidates: Sequence[Candidate], digest: str, count: int, leaving: Collection[str] = ()) -> Plan:
    """Return what makes `count` replicas of `digest` out of `candidates`.

    Others than `digest` go. Of too many, the `leaving` go first, then those that are not ready, then the newest.
    """
    kept = [candidate for candidate in candidates if candidate.digest == digest]
    kept.sort(key=lambda candidate: (candidate.id in leaving, not candidate.is_ready, candidate.created_at))
    strangers = [candidate.id for candidate in candidates if candidate.digest != digest]
    surplus = [candidate.id for candidate in kept[count:]]
    return Plan((*strangers, *surplus), max(0, count - len(kept)))
