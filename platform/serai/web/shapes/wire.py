"""What gateways send and read: `serai.domain.window` and `serai.domain.routes` in words."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from serai.domain.deployment import Access
from serai.domain.finished import PATH_LIMIT
from serai.domain.window import Clock

from .answers import TimeoutsAnswer
from .kinds import MAX_NUMBER, AnswerShape, Name, Shape
from .traffic import CorsAnswer, LimitsAnswer

# 2.0 is a whole number, as JSON knows no difference.
Whole = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**53), Whole]
Weight = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,64}$")]
Printable = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]


class SeriesShape(Shape):
    """Times of the requests that share these keys. Version 0 and replica "" are for those that reached none."""

    deployment: Name
    version: Annotated[int, Field(ge=0, le=MAX_NUMBER), Whole]
    replica: Annotated[str, StringConstraints(pattern=r"^[!-~]{0,200}$")]
    status: Annotated[str, StringConstraints(pattern="^[0-9]xx$")] = Field(examples=["2xx"])
    clock: Clock
    count: Annotated[int, Field(ge=0, le=10**12), Whole]
    sum: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
    min: Seconds
    max: Seconds
    centroids: Annotated[list[tuple[Seconds, Weight]], Field(max_length=10_000)]
    bytes_in: Bytes = Field(0, description="Of all bodies of requests; of the clock total alone, 0 for the others.")
    bytes_out: Bytes = Field(0, description="The same of answers.")


class WindowShape(Shape):
    """What one gateway saw in a span of time. `gateway` and `sequence` make it be taken once."""

    gateway: Printable
    sequence: Annotated[int, Field(ge=0, le=2**53), Whole]
    start: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)] = Field(description="Epoch seconds.")
    length: Annotated[float, Field(ge=0.001, le=3600, allow_inf_nan=False)] = Field(description="Seconds.")
    series: Annotated[list[SeriesShape], Field(max_length=100_000)]
    keys: Annotated[
        dict[KeyId, Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]],
        # pydantic's own says what fitting names hold, and lets others pass.
        Field(max_length=100_000, json_schema_extra={"additionalProperties": False}),
    ] = Field(default_factory=dict, description="When each key called last, in epoch seconds.")


class TelemetryBody(Shape):
    windows: Annotated[list[WindowShape], Field(max_length=1000)]


class TakenAnswer(AnswerShape):
    taken: int = Field(description="Windows that are stored now, those of earlier calls included.")


SpanId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{0,64}$")]


class FinishedShape(Shape):
    """One request of a sampled trace. Version 0 and replica "" mean that it reached none."""

    deployment: Name
    version: Annotated[int, Field(ge=0, le=MAX_NUMBER), Whole]
    replica: Annotated[str, StringConstraints(pattern=r"^[!-~]{0,200}$")]
    method: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
    path: Annotated[str, StringConstraints(max_length=PATH_LIMIT)] = Field(description="Without its query.")
    status: Annotated[int, Field(ge=0, le=999), Whole]
    started_at: Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)] = Field(description="Epoch seconds.")
    total_s: Seconds
    trace_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
    span_id: SpanId
    parent_id: Annotated[str, StringConstraints(pattern="^([0-9a-f]{16})?$")] = ""
    first_byte_s: Seconds | None = None
    queue_s: Seconds | None = None
    bytes_in: Bytes = 0
    bytes_out: Bytes = 0
    error: Word = ""
    scheme: Word = ""
    protocol: Word = ""
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{0,64}$")] = ""


class SpansBody(Shape):
    gateway: Printable
    lost: Annotated[int, Field(ge=0, le=2**53), Whole] = Field(
        0, description="How many more there were that the gateway had no room for, since its last call."
    )
    spans: Annotated[list[FinishedShape], Field(max_length=10_000)]


class TakenSpansAnswer(AnswerShape):
    taken: int = Field(description="Requests that were handed to the sinks that want them.")


class EndpointAnswer(AnswerShape):
    replica: str
    address: str
    version: int
    draining: bool


class GrantAnswer(AnswerShape):
    key_hash: str
    key_id: str
    expires_at: float | None


class RouteAnswer(AnswerShape):
    deployment: str
    owner: str
    version: int | None
    endpoints: list[EndpointAnswer]
    access: Access
    grants: list[GrantAnswer]
    timeouts: TimeoutsAnswer
    hold: float
    state: str
    reason: str
    limits: LimitsAnswer
    cors: CorsAnswer
    key_header: str
    idle: bool


class RoutesAnswer(AnswerShape):
    """What brings a gateway's table to `index`: everything (`full`), or changed routes and names that are gone."""

    index: int
    full: bool
    routes: dict[str, RouteAnswer]
    removed: list[str]
