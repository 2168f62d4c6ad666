"""Accounts: what changes one, and what is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, RootModel, StringConstraints

from serai.domain.accounts import LOGIN_PATTERN, Role

from .kinds import AnswerShape, Instant, Shape, ShortText

AccountLogin = Annotated[str, StringConstraints(pattern=f"^{LOGIN_PATTERN}$")]


class LoginPath(Shape):
    login: AccountLogin = Field(description="The account.")


class UserChangeBody(Shape):
    """What is to become different; what is absent or null stays."""

    name: ShortText | None = Field(None, description="The person's name.")
    email: ShortText | None = None
    role: Role | None = Field(None, description="In effect with the next request of every token.")
    disabled: bool | None = Field(None, description="Disabling ends sign-ins for good; tokens sleep until enabled.")


class UserAnswer(AnswerShape):
    login: str
    name: str
    email: str
    role: Role
    disabled: bool
    provider: str = Field(description="The plugin that signs the account in.")
    created_at: Instant
    last_sign_in_at: Instant | None


class UsersAnswer(RootModel[list[UserAnswer]]):
    """Accounts, by login."""
