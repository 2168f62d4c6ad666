"""What `plan` can decide, as values; `perform` does them."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.deployment import HandoverMode, Progress
from serai.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Submit:
    """Tell the scheduler to run `count` replicas of a version's current run."""

    deployment: str
    number: int
    digest: str
    count: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Tell the scheduler to stop a workload."""

    workload: str


@dataclass(frozen=True, slots=True)
class NoteProgress:
    """Store that the run of a version came to another stage."""

    deployment: str
    number: int
    run: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Fail:
    """Store that the run of a version ended in Error; an incumbent becomes active again."""

    deployment: str
    number: int
    run: int
    outcome: Reason


@dataclass(frozen=True, slots=True)
class ChooseHandover:
    """Store how the active version takes over from the incumbent."""

    deployment: str
    active: int
    incumbent: int
    mode: HandoverMode


@dataclass(frozen=True, slots=True)
class FinishHandover:
    """Store that the incumbent is not needed any more."""

    deployment: str
    active: int
    incumbent: int


Write = NoteProgress | Fail | ChooseHandover | FinishHandover
Action = Write | Submit | Stop
