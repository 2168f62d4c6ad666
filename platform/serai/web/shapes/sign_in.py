"""Signing in over the API, and addresses at which a password is set: what makes them, and what is answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serai.plugin.identity import Permission
from serai.store.resets import LIFETIME

from .kinds import AnswerShape, Instant, Shape, ShortText
from .tokens import Lifetime, TokenName
from .users import Password


class SignInBody(Shape):
    """Who signs in, and what the token for it is to be."""

    login: ShortText
    password: Password
    name: TokenName = Field("sign-in", description="What the token is for.", examples=["serai login on laptop"])
    permissions: Annotated[list[Permission], Field(min_length=1, max_length=10)] | None = Field(
        None, description="All that the account's role allows if absent."
    )
    expires_in: Lifetime = Field("30d", description="After how long the token ends.")


class ResetBody(Shape):
    """An address to make, at which the account's password is set once."""

    expires_in: Lifetime = Field(LIFETIME, description="How long it is good for, at most 30d.")


class ResetAnswer(AnswerShape):
    """An address at which the account's password is set, once. It is never shown again."""

    login: str
    url: str
    expires_at: Instant
