"""Figures of requests and of what replicas use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serai.domain.window import Clock
from serai.store.metrics_comparison import Align

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

    bytes_in: int = Field(description="Bytes of the bodies of requests, exactly.")
    bytes_out: int = Field(description="Bytes of the bodies of answers, exactly.")
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


Share = Annotated[
    float | None, Field(description="The part of the requests that were answered 5xx, 0 to 1; null without a request.")
]


class ComparedFigures(FiguresAnswer):
    """Figures of one version; the times are those of the clock that was asked for."""

    count: int = Field(description="All requests, those as well for which the clock never ran.")
    error_share: Share
    bytes_in: int
    bytes_out: int


class ComparedBucket(ComparedFigures):
    at: Instant = Field(description="When the bucket begins.")


class Difference(AnswerShape):
    """The figures of the second version less those of the first; null where either is."""

    count: int
    error_share: float | None
    bytes_in: int
    bytes_out: int
    avg: float | None
    max: float | None
    p50: float | None
    p75: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class ComparedTotal(AnswerShape):
    versions: list[ComparedFigures] = Field(description="Of both versions, as they were asked for.")
    difference: Difference


class ComparedAnswer(AnswerShape):
    offset: int = Field(description="Seconds from the first bucket on.")
    versions: list[ComparedBucket] = Field(description="Of both versions, as they were asked for.")
    difference: Difference


class ComparedVersion(AnswerShape):
    """Which requests of a version are compared: those in [from, to)."""

    version: int
    from_: Instant = Field(alias="from")
    to: Instant
    first: Instant | None = Field(description="The bucket of its first request that is known; null without one.")


class ComparisonAnswer(AnswerShape):
    """Two versions over the same clock, bucket beside bucket and in total."""

    align: Align
    clock: Clock
    interval: int = Field(description="Seconds.")
    versions: list[ComparedVersion]
    total: ComparedTotal
    buckets: list[ComparedAnswer]


Column = Annotated[
    list[float | None], Field(description="One value for each of `times`; null where nothing was measured.")
]


class ReplicaColumns(AnswerShape):
    """CPU in cores, memory and disk in bytes; restarts in the replica's life so far."""

    cpu_user: Column
    cpu_system: Column
    cpu_cores: Column
    memory_used: Column
    memory_total: Column
    disk_used: Column
    disk_total: Column
    restarts: Column


class GpuColumns(AnswerShape):
    """Utilisation in percent, memory in bytes, degrees Celsius, watts."""

    util: Column
    vram_used: Column
    vram_total: Column
    temperature: Column
    power: Column


class GpuSystemAnswer(GpuColumns):
    id: str
    model: str
    max: GpuColumns = Field(description="The greatest samples of each interval.")


class ReplicaSystemAnswer(ReplicaColumns):
    """Averages of each interval."""

    replica: str
    version: int
    max: ReplicaColumns = Field(description="The greatest samples of each interval.")
    gpus: list[GpuSystemAnswer]


class VersionSystemAnswer(ReplicaColumns):
    """Sums over the replicas of a version."""

    version: int
    replicas: list[int] = Field(description="How many replicas were measured.")
    gpus: GpuColumns | None = Field(
        description="All GPUs together: memory and power as sums, utilisation and temperature as means."
    )


class SystemAnswer(AnswerShape):
    """What each replica used, one column for each figure, and the sums by version."""

    from_: Instant = Field(alias="from")
    to: Instant
    interval: int = Field(description="Seconds.")
    times: list[Instant] = Field(description="When each interval begins.")
    replicas: list[ReplicaSystemAnswer]
    versions: list[VersionSystemAnswer]
