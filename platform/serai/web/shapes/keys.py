"""Keys: what makes one, what changes one, and what is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .kinds import MAX_NUMBER, AnswerShape, Duration, Instant, Name, RootAnswer, Shape
from .tokens import Lifetime, Login, TokenName

Names = Annotated[list[Name], Field(min_length=1, max_length=1000)]
_DEPLOYMENTS = "The deployments it opens; null: all that its owner has, now and later."
_LIFETIME = "After how long it ends; null: never."


class KeyPath(Shape):
    id: Annotated[int, Field(ge=1, le=MAX_NUMBER)] = Field(description="The key.")


class KeysQuery(Shape):
    deployment: Name | None = Field(None, description="Only keys that open this deployment.")


class KeyBody(Shape):
    """A key to make: without `deployments` for all that its owner has, without `expires_in` for ever."""

    name: TokenName = Field(description="What it is for.", examples=["ci"])
    deployments: Names | None = Field(None, description=_DEPLOYMENTS, examples=[["digits"]])
    expires_in: Lifetime | None = Field(None, description=_LIFETIME, examples=["90d"])
    owner: Login | None = Field(
        None, description="A login, or `team:<name>`; the caller's own if absent. Another's needs `admin`."
    )


class KeyChangeBody(Shape):
    """What is to become different; what is absent stays. `expires_in` counts from now."""

    name: TokenName | None = Field(None, description="What it is for; null leaves it.")
    deployments: Names | None = Field(None, description=_DEPLOYMENTS)
    expires_in: Lifetime | None = Field(None, description=_LIFETIME)


class RotationBody(Shape):
    overlap: Duration = Field("1d", description="How long the old secret is taken beside the new one; at most 30d.")


class SecretAnswer(AnswerShape):
    prefix: str = Field(description="How the secret begins, to recognise it by.")
    created_at: Instant
    ends_at: Instant | None = Field(description="Until when it is taken, once it was replaced.")
    last_used_at: Instant | None


class KeyAnswer(AnswerShape):
    id: int
    name: str
    owner: str
    deployments: list[str] | None = Field(description=_DEPLOYMENTS)
    prefix: str = Field(description="How the newest secret begins.")
    created_at: Instant
    created_by: str
    expires_at: Instant | None
    last_used_at: Instant | None = Field(description="Known about half a minute after the request.")
    secrets: list[SecretAnswer] = Field(description="The newest first; more than one while a rotation overlaps.")


class NewKeyAnswer(KeyAnswer):
    """A key with its new secret, which is never shown again."""

    key: str


class KeysAnswer(RootAnswer[list[KeyAnswer]]):
    """Keys, oldest first."""
