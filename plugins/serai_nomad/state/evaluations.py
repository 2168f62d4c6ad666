"""The evaluations of a job as Nomad has them: what is blocked, what is planned, what was decided last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from serai_nomad.facts import JobFacts, Json
from serai_nomad.reading import instant_of, nanoseconds_of, number_of, text_of

from .task_states import LONG_AGO

_DISCONNECT = "max-disconnect-timeout"  # stays pending for long, even after the node is back: no sign of work
DECIDING_S = 2.0


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Those of this job, not of a purged one of the same id. `planned` are pending with a time, `open` without."""

    all: tuple[Json, ...] = ()
    blocked: tuple[Json, ...] = ()
    planned: tuple[Json, ...] = ()
    open: tuple[Json, ...] = ()

    @property
    def newest(self) -> Json | None:
        return max(self.all, key=lambda each: (number_of(each, "CreateIndex"), _moved_at(each)), default=None)

    def pending(self) -> dict[str, Json]:
        return {text_of(each, "ID"): each for each in self.planned + self.open if text_of(each, "ID")}

    def is_deciding(self, now: datetime) -> bool:
        """Tell whether Nomad may be about to decide: also in the instant between a failure and what follows it."""
        if self.open or not self.all:
            return True
        newest_at = max(_moved_at(each) for each in self.all)
        return (now - newest_at).total_seconds() < DECIDING_S


def read_evaluations(facts: JobFacts) -> Evaluations:
    every = tuple(each for each in facts.evaluations if _belongs(each, facts))
    pending = [each for each in every if _status(each) == "pending" and text_of(each, "TriggeredBy") != _DISCONNECT]
    return Evaluations(
        all=every,
        blocked=tuple(each for each in every if _status(each) == "blocked"),
        planned=tuple(each for each in pending if instant_of(each, "WaitUntil")),
        open=tuple(each for each in pending if not instant_of(each, "WaitUntil")),
    )


def _belongs(evaluation: Json, facts: JobFacts) -> bool:
    index = number_of(evaluation, "CreateIndex")
    return index == 0 or index >= facts.create_index


def _status(evaluation: Json) -> str:
    return text_of(evaluation, "Status")


def _moved_at(evaluation: Json) -> datetime:
    return nanoseconds_of(evaluation, "ModifyTime") or nanoseconds_of(evaluation, "CreateTime") or LONG_AGO
