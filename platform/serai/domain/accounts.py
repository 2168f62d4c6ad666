"""People and teams: accounts with their roles, teams with their members, and how a team is written as an owner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .errors import Invalid
from .names import MAX_NAME, NAME_PATTERN

TEAM_MARK = "team:"
MAX_LOGIN = 100
LOGIN_PATTERN = rf"[a-z0-9][a-z0-9._@+-]{{0,{MAX_LOGIN - 1}}}"
# Logins of the tokens that the first start makes: the way in when nobody else can, so no account may narrow them.
RESERVED_LOGINS = frozenset({"admin", "gateway"})
_LOGIN = re.compile(LOGIN_PATTERN)
_TEAM = re.compile(NAME_PATTERN)


class Role(StrEnum):
    """What an account may do: a viewer reads, a member deploys and changes what it or its teams own, an administrator
    everything."""

    ADMINISTRATOR = "administrator"
    MEMBER = "member"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in.

    `provider` is "" for an account of Serai's own, which signs in by password once one is set; else the name of the
    plugin that signs it in, which knows it by `subject` ("" until its first sign-in there).
    """

    login: str
    name: str
    email: str
    role: Role
    created_at: datetime
    has_password: bool = False
    is_disabled: bool = False
    provider: str = ""
    subject: str = ""
    last_sign_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """Accounts that own deployments together. `members` are logins, sorted."""

    name: str
    about: str
    created_at: datetime
    members: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The team as the owner of a deployment or a key."""
        return team_owner(self.name)


def check_login(text: str, field: str = "login") -> str:
    """Return a login as it is kept, in lower case. Raise Invalid for what none can be."""
    login = text.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise Invalid(
            f"{text!r} cannot be a login: use at most {MAX_LOGIN} of a-z, 0-9, '.', '_', '@', '+' and '-', a letter or"
            " digit first",
            field,
            code="invalid-login",
        )
    return login


def check_team(text: str, field: str = "name") -> str:
    """Return a team's name. Raise Invalid for what none can be."""
    if not _TEAM.fullmatch(text):
        raise Invalid(
            f"{text!r} cannot name a team: use at most {MAX_NAME} of a-z, 0-9 and inner '-'", field, code="invalid-name"
        )
    return text


def team_owner(team: str) -> str:
    """Return a team as the owner of deployments and keys: `team:<name>`, which no login can be."""
    return TEAM_MARK + team


def team_of(owner: str) -> str | None:
    """Return the team that an owner is, None where it is a login."""
    return owner.removeprefix(TEAM_MARK) if owner.startswith(TEAM_MARK) else None


def describe_owner(owner: str) -> str:
    """Return an owner for a sentence: `team vision`, or the login."""
    team = team_of(owner)
    return owner if team is None else f"team {team}"
