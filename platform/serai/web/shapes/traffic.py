"""Limits and CORS, as they come in and go out. Described here; read by `serai.domain.traffic_text`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, WithJsonSchema

from .kinds import DURATION_PATTERN, AnswerShape, Shape

RateText = Annotated[
    str | int,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,8}/(s|min|h|[1-9][0-9]s))$"},
                {"type": "integer", "minimum": 0, "maximum": 0},
            ],
            "description": "Requests in a time: 100/s, 600/min, 5/10s; 0 is no limit.",
            "examples": ["100/s"],
        }
    ),
]
Origin = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "pattern": r"^https?://[a-z0-9]{1,40}(\.[a-z0-9]{1,40}){0,3}(:[1-9][0-9]{0,3})?$"}
    ),
]
Method = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,20}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")]


def _duration(most_s: int, text: str) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": most_s},
                {"type": "string", "pattern": DURATION_PATTERN},
            ],
            "description": text,
        }
    )


Wait = Annotated[float | str, _duration(600, "Seconds, or text such as 250ms, 30s; 10m at most.")]
Age = Annotated[float | str, _duration(86400, "Seconds, or text such as 30s, 10m; 24h at most.")]


class LimitsShape(Shape):
    """How many requests a replica works on at once, how many wait for it, and how often one caller may call."""

    concurrency: Annotated[int, Field(ge=0, le=100_000)] | None = None
    queue: Annotated[int, Field(ge=0, le=100_000)] | None = None
    queue_timeout: Wait | None = None
    per_key: RateText | None = None
    per_client: RateText | None = None


class CorsShape(Shape):
    """Which web pages' scripts may call; an origin is `https://app.example.org`, or `*` alone."""

    origins: Annotated[list[Origin], Field(max_length=50)] | None = None
    methods: Annotated[list[Method], Field(max_length=50)] | None = None
    headers: Annotated[list[HeaderName], Field(max_length=50)] | None = None
    exposed: Annotated[list[HeaderName], Field(max_length=50)] | None = None
    credentials: bool | None = None
    max_age: Age | None = None


class LimitsAnswer(AnswerShape):
    """Of each replica and gateway; `queue_timeout` in seconds, rates as `100/s`, 0 is no limit."""

    concurrency: int
    queue: int
    queue_timeout: float
    per_key: str
    per_client: str


class CorsAnswer(AnswerShape):
    """Which web pages' scripts may call; `max_age` in seconds."""

    origins: list[str]
    methods: list[str]
    headers: list[str]
    exposed: list[str]
    credentials: bool
    max_age: float
