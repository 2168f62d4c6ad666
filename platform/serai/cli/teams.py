"""`serai teams`: accounts that own deployments together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from serai.domain.errors import NotFound

from .asking import confirm
from .people import complete_login, login_argument, team_argument
from .session import Session, connected
from .words import clean


@click.group()
def teams() -> None:
    """Make teams, whose members change what the team owns.

    Administrators change them; everybody sees them. `serai owner NAME team:TEAM` gives a team a deployment."""


@teams.command("ls")
@connected
def list_teams(session: Session) -> None:
    """List the teams with their members."""
    found = session.client.list_teams()
    if session.out.as_json:
        session.out.document(found)
    elif not found:
        session.out.say("There are no teams. Make one with `serai teams set NAME --member LOGIN`.")
    else:
        rows = [(team["name"], team["about"], _describe_members(team)) for team in found]
        session.out.table(("TEAM", "ABOUT", "MEMBERS"), rows)


@teams.command("set")
@team_argument
@click.option("--about", metavar="TEXT", help="What it is about.")
@click.option(
    "--member", "members", multiple=True, metavar="LOGIN", shell_complete=complete_login, help="May be repeated."
)
@connected
def set_team(session: Session, name: str, about: str | None, members: tuple[str, ...]) -> None:
    """Make a team, or change what it is about and who is in it.

    The members that are given become all members; without any, those that there are stay."""
    values: dict[str, Any] = {} if about is None else {"about": about}
    if members:
        values["members"] = list(members)
    _show(session, session.client.put_team(name, values))


@teams.command()
@team_argument
@login_argument
@connected
def join(session: Session, name: str, login: str) -> None:
    """Make an account a member of a team; nothing happens if it is one."""
    _change_members(session, name, lambda members: [*members, login])


@teams.command()
@team_argument
@login_argument
@connected
def leave(session: Session, name: str, login: str) -> None:
    """Take an account out of a team; nothing happens if it is not in it."""
    _change_members(session, name, lambda members: [member for member in members if member != login])


@teams.command()
@team_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def remove(session: Session, name: str, yes: bool) -> None:
    """Delete a team that owns no deployment; its members' accounts stay."""
    found = _find(session, name)
    if not yes:
        confirm(f"Delete the team {name} ({_describe_members(found)}) for good?", "Nothing was deleted.")
    session.client.delete_team(name)
    session.out.say(f"Team {name} is deleted.")
    if session.out.as_json:
        session.out.document(found)


def _change_members(session: Session, name: str, change: Callable[[Iterable[str]], list[str]]) -> None:
    """Put a team with other members. Who changes the same team at the same moment may be overwritten."""
    members = _find(session, name)["members"]
    _show(session, session.client.put_team(name, {"members": sorted(set(change(members)))}))


def _find(session: Session, name: str) -> dict[str, Any]:
    found = next((team for team in session.client.list_teams() if team["name"] == name), None)
    if found is None:
        raise NotFound(f"there is no team {name!r}; `serai teams ls` lists those there are", "team-not-found")
    return found


def _show(session: Session, team: Mapping[str, Any]) -> None:
    if session.out.as_json:
        session.out.document(team)
    else:
        session.out.say(f"Team {team['name']}: {_describe_members(team)}")


def _describe_members(team: Mapping[str, Any]) -> str:
    return clean(", ".join(team["members"])) or "nobody yet"
