"""Teams on the page `/users`: made, changed and deleted."""

from __future__ import annotations

import re
from dataclasses import replace

import flask
from flask import Blueprint

from serai.domain.accounts import Team, check_login, check_team
from serai.reconcile.core import Core
from serai.store import teams
from serai.web.reading import read_model
from serai.web.shapes.users import TeamBody

from .forms import check_confirmation
from .users import Page, UsersPage
from .viewer import get_viewer


class TeamForms:
    """The forms of teams. Their addresses say `<team>`: `<name>` is a deployment's, to the frame."""

    def __init__(self, core: Core, page: UsersPage) -> None:
        self._core = core
        self._page = page

    def register(self, ui: Blueprint) -> None:
        guarded = self._page.guarded
        ui.post("/teams", endpoint="create_team")(guarded(self.create))
        ui.post("/teams/<team>/edit", endpoint="edit_team")(guarded(self.edit))
        ui.post("/teams/<team>/delete", endpoint="delete_team")(guarded(self.delete))

    def create(self) -> Page:
        def act() -> None:
            name = check_team(flask.request.form.get("name", "").strip())
            new = _read_team(Team(name, "", self._core.clock()))
            teams.create_team(self._core.db, new, get_viewer().login)

        return self._page.answer("new-team", "team-made", act)

    def edit(self, team: str) -> Page:
        def act() -> None:
            wanted = _read_team(teams.get_team(self._core.db, team))
            teams.change_team(self._core.db, wanted, self._core.clock(), get_viewer().login)

        return self._page.answer(f"team-{team}", "saved", act)

    def delete(self, team: str) -> Page:
        def act() -> None:
            check_confirmation(teams.get_team(self._core.db, team).name)
            teams.delete_team(self._core.db, team, self._core.clock(), get_viewer().login)

        return self._page.answer(f"team-{team}", "team-deleted", act)


def _read_team(team: Team) -> Team:
    """Return a team as the form wants it. Raise Invalid."""
    form = flask.request.form
    logins = [check_login(text, "members") for text in re.split(r"[\s,]+", form.get("members", "")) if text]
    body = read_model(TeamBody, {"about": form.get("about", "").strip(), "members": logins})
    return replace(team, about=body.about or "", members=tuple(body.members or ()))
