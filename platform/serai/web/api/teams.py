"""Teams: accounts that own deployments and keys together."""

from __future__ import annotations

from dataclasses import replace

from serai.domain.accounts import Team
from serai.plugin.identity import Permission
from serai.store import teams
from serai.web.dump import dump_team
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.users import TeamAnswer, TeamBody, TeamPath, TeamsAnswer

resource = Resource("teams", "Accounts that own deployments together.")
_RULE = "/teams/<name>"


@resource.on("GET", "/teams", Permission.READ, {200: TeamsAnswer})
def list_teams(call: Call) -> Answer:
    """List the teams with their members."""
    return Answer([dump_team(team) for team in teams.list_teams(call.core.db)])


@resource.on("PUT", _RULE, Permission.ADMIN, {200: TeamAnswer, 201: TeamAnswer}, takes=TeamBody)
def put_team(call: Call, path: TeamPath, body: TeamBody) -> Answer:
    """Make a team (201) or change it (200). Members write to what it owns from their next request on."""
    db, now, actor = call.core.db, call.core.clock(), call.caller.login
    with db.write():
        old = teams.find_team(db, path.name)
        wanted = _apply(old or Team(path.name, "", now), body)
        after = teams.change_team(db, wanted, now, actor) if old else teams.create_team(db, wanted, actor)
    call.core.changes.bump("")
    return Answer(dump_team(after), 200 if old else 201)


@resource.on("DELETE", _RULE, Permission.ADMIN, {204: None}, refuses=(404, 409))
def delete_team(call: Call, path: TeamPath) -> Answer:
    """Delete a team that owns no deployment."""
    teams.delete_team(call.core.db, path.name, call.core.clock(), call.caller.login)
    call.core.changes.bump("")
    return Answer(None, 204)


def _apply(team: Team, body: TeamBody) -> Team:
    return replace(
        team,
        about=team.about if body.about is None else body.about,
        members=team.members if body.members is None else tuple(body.members),
    )
