"""Accounts: what changes one, and what is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, WithJsonSchema

from serai.domain.accounts import LOGIN_PATTERN, TEAM_MARK, Role
from serai.domain.names import MAX_NAME, NAME_PATTERN
from serai.store.passwords import LONGEST, SHORTEST

from .kinds import AnswerShape, Instant, Name, RootAnswer, Shape, ShortText

AccountLogin = Annotated[str, StringConstraints(pattern=f"^{LOGIN_PATTERN}$")]


# Checked by `serai.store.passwords`, whose refusals do not repeat it, as those of shapes do.
Password = Annotated[str, WithJsonSchema({"type": "string", "minLength": SHORTEST, "maxLength": LONGEST})]
Owner = Annotated[
    str,
    StringConstraints(
        pattern=f"^({LOGIN_PATTERN}|{TEAM_MARK}{NAME_PATTERN})$", max_length=MAX_NAME + len(TEAM_MARK) + 100
    ),
]


class LoginPath(Shape):
    login: AccountLogin = Field(description="The account.")


class UserBody(Shape):
    """An account to make. Without a password nobody signs in to it until it has one."""

    login: AccountLogin = Field(examples=["ann"])
    name: ShortText = ""
    email: ShortText = ""
    role: Role = Role.MEMBER
    password: Password | None = None


class PasswordBody(Shape):
    password: Password = Field(description="Neither the login nor anything else that is easy to guess.")


class TeamPath(Shape):
    name: Name = Field(description="The team.")


class TeamBody(Shape):
    """A team as it is to be; what is absent or null stays, or is empty for a new one."""

    about: ShortText | None = None
    members: Annotated[list[AccountLogin], Field(max_length=1000)] | None = Field(None, description="Logins.")


class TeamAnswer(AnswerShape):
    name: str
    about: str
    created_at: Instant
    members: list[str] = Field(description="Logins, in order.")


class TeamsAnswer(RootAnswer[list[TeamAnswer]]):
    """Teams, by name."""


class OwnerBody(Shape):
    owner: Owner = Field(description="A login, or `team:<name>`.", examples=["team:vision"])


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
    has_password: bool = Field(description="Without one, and without a provider, nobody signs in to it yet.")
    created_at: Instant
    last_sign_in_at: Instant | None


class UsersAnswer(RootAnswer[list[UserAnswer]]):
    """Accounts, by login."""
