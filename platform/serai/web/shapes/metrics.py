"""Figures of requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .kinds import AnswerShape, Instant

Seconds = Annotated[float | None, Field(description="Seconds; null where nothing was counted.")]


class FiguresAnswer(AnswerShape):
    """Exact count, average and maximum, and percentiles within 1 %."""

    count: int
    avg: Seconds
    max: Seconds
    p50: Seconds
    p75: Seconds
    p90: Seconds
    p95: Seconds
    p99: Seconds


class ClocksAnswer(FiguresAnswer):
    """The figures of the whole request, and beside them those of the other clocks."""

    first_byte: FiguresAnswer = Field(description="Until the first byte of the answer.")
    queue: FiguresAnswer = Field(description="Held and queued at the gateway.")


class BucketAnswer(ClocksAnswer):
    at: Instant = Field(description="When the bucket begins.")


class RequestsAnswer(AnswerShape):
    """All requests of a range, and the buckets it is made of, the empty ones too."""

    from_: Instant = Field(alias="from")
    to: Instant
    interval: int = Field(description="Seconds.")
    total: ClocksAnswer
    buckets: list[BucketAnswer]
