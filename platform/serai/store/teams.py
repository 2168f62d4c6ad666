"""Teams: accounts that own deployments and keys together, and who may write to what an owner has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from serai.domain.accounts import Team, team_of, team_owner
from serai.domain.errors import Conflict, Invalid, NotFound

from .account_rows import AccountRow, MembershipRow, TeamRow
from .database import Database
from .events import add_event
from .rows import DeploymentRow


def find_team(db: Database, name: str) -> Team | None:
    """Return a team with its members, None where there is none."""
    return next(iter(_load(db, name)), None)


def get_team(db: Database, name: str) -> Team:
    """Return a team with its members, or raise NotFound."""
    team = find_team(db, name)
    if team is None:
        raise NotFound(f"there is no team {name!r}; `serai teams ls` lists those there are", "team-not-found")
    return team


def list_teams(db: Database) -> list[Team]:
    """Return every team with its members, by name."""
    return _load(db, None)


def list_teams_of(db: Database, login: str) -> list[str]:
    """Return the names of the teams that somebody is a member of."""
    query = MembershipRow.select(MembershipRow.team).where(MembershipRow.login == login).order_by(MembershipRow.team)
    with db.read():
        return [row.team for row in query.execute(db.peewee)]


def owners_of(db: Database, login: str) -> frozenset[str]:
    """Return as whom somebody owns things: the login itself, and each of its teams as `team:<name>`."""
    return frozenset({login, *map(team_owner, list_teams_of(db, login))})


def find_owner(db: Database, deployment: str) -> str | None:
    """Return who owns a deployment, None where there is none of the name."""
    query = DeploymentRow.select(DeploymentRow.owner).where(DeploymentRow.name == deployment)
    with db.read():
        owner = query.scalar(db.peewee)
    return None if owner is None else str(owner)


def check_owner(db: Database, owner: str, field: str = "owner") -> str:
    """Return an owner whose account or team exists, else raise Invalid."""
    team = team_of(owner)
    if team is not None:
        if find_team(db, team) is None:
            raise Invalid(f"{field}: there is no team {team!r}; `serai teams ls` lists those there are", field)
        return owner
    with db.read():
        if AccountRow.select().where(AccountRow.login == owner).first(db.peewee) is None:
            raise Invalid(f"{field}: there is no account {owner!r}; a team is written as team:<name>", field)
    return owner


def create_team(db: Database, team: Team, actor: str) -> Team:
    """Store a new team with its members and return it. Raise Conflict for a name that is taken, Invalid for members
    without an account."""
    with db.write():
        if find_team(db, team.name) is not None:
            raise Conflict(f"there is a team {team.name!r} already; choose another name", "team-taken")
        TeamRow.insert(name=team.name, about=team.about, created_at=team.created_at).execute(db.peewee)
        _set_members(db, team.name, team.members)
        made = get_team(db, team.name)
        add_event(db, team.created_at, "team.created", "", text=_describe(made), actor=actor)
        return made


def change_team(db: Database, team: Team, now: datetime, actor: str) -> Team:
    """Store what a team is about and who its members are, and return it. Raise NotFound, or Invalid for members."""
    with db.write():
        old = get_team(db, team.name)
        TeamRow.update(about=team.about).where(TeamRow.name == team.name).execute(db.peewee)
        _set_members(db, team.name, team.members)
        new = get_team(db, team.name)
        if text := _describe_change(old, new):
            add_event(db, now, "team.changed", "", text=f"{team.name}: {text}", actor=actor)
        return new


def join_team(db: Database, name: str, login: str, now: datetime, actor: str) -> Team:
    """Make somebody a member, who may be one already. Raise NotFound, or Invalid for a login without an account."""
    with db.write():
        team = get_team(db, name)
        return change_team(db, replace(team, members=(*team.members, login)), now, actor)


def leave_team(db: Database, name: str, login: str, now: datetime, actor: str) -> Team:
    """Make somebody a member no more. Raise NotFound for a team that is not there."""
    with db.write():
        team = get_team(db, name)
        members = tuple(member for member in team.members if member != login)
        return change_team(db, replace(team, members=members), now, actor)


def delete_team(db: Database, name: str, now: datetime, actor: str) -> None:
    """Delete a team. Raise NotFound, or Conflict while it owns deployments."""
    with db.write():
        team = get_team(db, name)
        mine = DeploymentRow.select(DeploymentRow.name).where(DeploymentRow.owner == team.owner)
        if owned := [row.name for row in mine.order_by(DeploymentRow.name).execute(db.peewee)]:
            raise Conflict(
                f"the team {name} owns {', '.join(owned)}; give them away first (`serai owner {owned[0]} <owner>`)",
                "team-owns",
            )
        MembershipRow.delete().where(MembershipRow.team == name).execute(db.peewee)
        TeamRow.delete().where(TeamRow.name == name).execute(db.peewee)
        add_event(db, now, "team.deleted", "", text=name, actor=actor)


def _set_members(db: Database, team: str, logins: Iterable[str]) -> None:
    wanted = sorted(set(logins))
    rows = AccountRow.select(AccountRow.login).where(AccountRow.login.in_(wanted)).execute(db.peewee)
    known = {row.login for row in rows}
    if unknown := [login for login in wanted if login not in known]:
        raise Invalid(f"members: there is no account {unknown[0]!r}; `serai users ls` lists those there are", "members")
    MembershipRow.delete().where(MembershipRow.team == team).execute(db.peewee)
    for login in wanted:
        MembershipRow.insert(team=team, login=login).execute(db.peewee)


def _load(db: Database, name: str | None) -> list[Team]:
    teams, members = TeamRow.select().order_by(TeamRow.name), MembershipRow.select().order_by(MembershipRow.login)
    if name is not None:
        teams, members = teams.where(TeamRow.name == name), members.where(MembershipRow.team == name)
    with db.read():
        found = list(teams.execute(db.peewee))
        logins: dict[str, list[str]] = {}
        for row in members.execute(db.peewee):
            logins.setdefault(row.team, []).append(row.login)
    return [Team(row.name, row.about, row.created_at, tuple(logins.get(row.name, ()))) for row in found]


def _describe(team: Team) -> str:
    return f"{team.name}: {', '.join(team.members) or 'nobody yet'}"


def _describe_change(old: Team, new: Team) -> str:
    joined, left = sorted(set(new.members) - set(old.members)), sorted(set(old.members) - set(new.members))
    parts = [f"{', '.join(logins)} {word}" for logins, word in ((joined, "joined"), (left, "left")) if logins]
    if old.about != new.about:
        parts.append(f"about: {new.about or 'nothing'}")
    return "; ".join(parts)
