"""Traces: which one, and what is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .kinds import AnswerShape, Instant, Shape


class TracePath(Shape):
    trace_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(
        description="The trace, as gateways answer it in `X-Request-Id`.", examples=[32 * "a"]
    )


class SpanAnswer(AnswerShape):
    span_id: str
    parent_id: str = Field(description='"" where the trace begins.')
    name: str
    kind: str = Field(description="server, client, internal, producer or consumer.")
    began_at: Instant
    took: float = Field(description="Seconds.")
    error: str = Field(description='"" where nothing went wrong.')
    deployment: str
    version: int = Field(description="0 where it is not known.")
    replica: str
    attributes: dict[str, str | int | float | bool]


class TraceAnswer(AnswerShape):
    """Spans in the order in which they began, what belongs to one right after it. Empty where none are kept."""

    trace_id: str
    url: str = Field(description='Address of the trace in the tracer of the setting `trace_url`, "" without one.')
    spans: list[SpanAnswer]
