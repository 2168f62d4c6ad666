"""Which logs there are."""

from __future__ import annotations

from pydantic import Field

from serai.reconcile.log_book import Presence

from .kinds import AnswerShape, Instant


class ReplicaLogAnswer(AnswerShape):
    """A replica that there is a log of."""

    replica: str
    presence: Presence = Field(
        description="`live`; `ended`, and still known to the scheduler; or `gone` but for its log, which is kept."
    )
    size: int | None = Field(description="Bytes that are kept, most of them compressed; null where none are yet.")
    last_at: Instant | None = Field(description="When its log was last added to.")


class ReplicaLogsAnswer(AnswerShape):
    """Live replicas first, then those that have ended, then those that are gone, the latest first."""

    replicas: list[ReplicaLogAnswer]
