"""Kinds of values that occur in many shapes: names, durations, sizes, instants, flags."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from serai.domain.manifest import MAX_REPLICAS
from serai.domain.names import MAX_NAME, NAME_PATTERN
from serai.domain.quantity import MAX_BYTES, MAX_DURATION_S

# Several whole parts such as 1h30m; the parser takes fractions as well.
DURATION_PATTERN = r"^([1-9][0-9]{2,4}ms|([1-9][0-9]{0,2}[smhd]){1,3})$"
SIZE_PATTERN = r"^[1-9][0-9]{0,2}(\.[0-9]{1,3})? ?[kKMGT]i?B?$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
MAX_NUMBER = 9_999_999_999


class Shape(BaseModel):
    """What goes in or out. Unknown keys of what goes in are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerShape(BaseModel):
    """What goes out. Clients must expect keys to be added."""

    model_config = ConfigDict(frozen=True)


Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$", max_length=MAX_NAME)]
Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=65536)]
ShortText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
Count = Annotated[int, Field(ge=0, le=MAX_REPLICAS)]
Flag = Literal["0", "1", "false", "true"]
Instant = Annotated[datetime, Field(examples=["2026-01-31T12:00:00Z"])]

_DURATION = {"description": "Seconds, or text such as 250ms, 30s, 10m, 1h30m.", "examples": ["30s", 30]}
Duration = Annotated[
    float | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX_DURATION_S},
                {"type": "string", "pattern": DURATION_PATTERN},
            ],
            **_DURATION,
        }
    ),
]
PositiveDuration = Annotated[
    float | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.05, "maximum": MAX_DURATION_S},
                {"type": "string", "pattern": DURATION_PATTERN},
            ],
            **_DURATION,
        }
    ),
]
Size = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_BYTES},
                {"type": "string", "pattern": SIZE_PATTERN},
            ],
            "description": "Bytes, or text such as 512MiB, 4GiB.",
            "examples": ["4GiB"],
        }
    ),
]
