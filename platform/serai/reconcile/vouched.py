"""Who signs in by a plugin: the account that somebody who was vouched for gets, with its teams."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from serai.domain.accounts import Account, Role, Team, check_team
from serai.plugin import Permission, Person
from serai.store.accounts import ensure_account, note_sign_in
from serai.store.database import Database
from serai.store.teams import create_team, find_team, join_team, leave_team

log = logging.getLogger(__name__)

_PERMISSIONS = {
    Role.ADMINISTRATOR: frozenset({Permission.ADMIN, Permission.WRITE, Permission.READ}),
    Role.MEMBER: frozenset({Permission.WRITE, Permission.READ}),
    Role.VIEWER: frozenset({Permission.READ}),
}


def permissions_of(role: Role) -> frozenset[Permission]:
    """Return what a session of somebody in a role carries at most."""
    return _PERMISSIONS[role]


def take_in(db: Database, way: str, person: Person, now: datetime) -> Account:
    """Return the account of `person`, made at the first sign-in and brought up to date at each.

    A team that is not there yet is made when its first member comes. Raise what `ensure_account` raises.
    """
    with db.write():
        account = ensure_account(
            db,
            person.login,
            person.name,
            person.email,
            person.role,
            now,
            provider=way,
            subject=person.subject,
            keeps_role=not person.decides_role,
        )
        _set_teams(db, account.login, person.teams, now, way)
        note_sign_in(db, account.login, now)
    return account


def _set_teams(db: Database, login: str, teams: Mapping[str, bool], now: datetime, actor: str) -> None:
    for name, belongs in teams.items():
        team = find_team(db, name)
        if team is None and belongs:
            create_team(db, Team(check_team(name), f"from {actor}", now, (login,)), actor)
        elif team is not None and belongs and login not in team.members:
            join_team(db, name, login, now, actor)
        elif team is not None and not belongs and login in team.members:
            leave_team(db, name, login, now, actor)
