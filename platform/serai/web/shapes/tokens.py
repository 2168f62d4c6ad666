"""Access tokens: what makes one, and what is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from serai.plugin.identity import Permission

from .kinds import AnswerShape, Instant, RootAnswer, Shape

TokenName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[!-~][^\x00-\x1f\x7f]*$", max_length=200)]
Login = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
# Whole units: how long it is to live.
Lifetime = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,2}[smhd]$")]


class TokenBody(Shape):
    """A token to make. Without `expires_in` it lives until it is revoked."""

    name: TokenName = Field(description="What it is for.", examples=["ci"])
    permissions: Annotated[list[Permission], Field(min_length=1, max_length=10)] = Field(examples=[["write"]])
    login: Login | None = Field(None, description="Whose it is; the caller's own if absent.")
    expires_in: Lifetime | None = Field(None, description="After how long it ends.", examples=["90d"])


class TokenAnswer(AnswerShape):
    id: int
    name: str
    login: str
    permissions: list[Permission]
    prefix: str = Field(description="How the token begins, to recognise it by.")
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None


class NewTokenAnswer(TokenAnswer):
    """A new token with its plain text, which is never shown again."""

    token: str


class TokensAnswer(RootAnswer[list[TokenAnswer]]):
    """Tokens, oldest first."""
