"""Kinds of values that occur in many shapes: names, durations, sizes, instants, flags; and what all shapes have.

A shape is built when it is first needed, as most of them are needed by the OpenAPI document alone: to build all would
be a fifth of a server's start.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, WithJsonSchema

from serai.domain.manifest import MAX_REPLICAS
from serai.domain.names import MAX_NAME, NAME_PATTERN
from serai.domain.quantity import MAX_BYTES, MAX_DURATION_S

# Several whole parts such as 1h30m; the parser takes fractions as well.
DURATION_PATTERN = r"^([1-9][0-9]{2,4}ms|([1-9][0-9]{0,2}[smhd]){1,3})$"
SIZE_PATTERN = r"^[1-9][0-9]{0,2}(\.[0-9]{1,3})? ?[kKMGT]i?B?$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
MAX_NUMBER = 9_999_999_999


BUILDING = threading.RLock()
"""Held by who builds shapes: not every version of pydantic lets threads take turns."""

Model = TypeVar("Model", bound=BaseModel)
Root = TypeVar("Root")


class Shape(BaseModel):
    """What goes in or out. Unknown keys of what goes in are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class AnswerShape(BaseModel):
    """What goes out. Clients must expect keys to be added."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class RootAnswer(RootModel[Root], Generic[Root]):
    """What goes out and is no object: a list, or one of several."""

    model_config = ConfigDict(defer_build=True)


def built(shape: type[Model]) -> type[Model]:
    """Return a shape that can check values, built if nobody has needed it yet."""
    if not shape.__pydantic_complete__:
        with BUILDING:
            shape.model_rebuild()
    return shape


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
