"""`/d/<name>/versions` and `/d/<name>/versions/<n>`: what each version is, how its start goes, start, stop, delete."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import NotFound
from serai.reconcile.core import Core
from serai.reconcile.views import VersionView

from .forms import check_confirmation, see
from .heading import Heading, load_heading
from .replicas import make_version_cards
from .spec_diff import Difference, compare_specs, describe_spec
from .steps import Trail, make_steps
from .viewer import get_viewer


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the list: with what differs from the one before, and the word for starting it."""

    view: VersionView
    differences: list[Difference]
    before: int | None
    start_word: str


class VersionPages:
    def __init__(self, core: Core, trail: Trail) -> None:
        self._core = core
        self._trail = trail

    def register(self, ui: Blueprint) -> None:
        one = "/d/<name>/versions/<int:number>"
        ui.get("/d/<name>/versions", endpoint="versions")(self.list)
        ui.get(one, endpoint="version")(self.show)
        ui.post(f"{one}/start", endpoint="start_version")(self.start)
        ui.post(f"{one}/stop", endpoint="stop_version")(self.stop)
        ui.post(f"{one}/delete", endpoint="delete_version")(self.delete)

    def list(self, name: str) -> str:
        heading = load_heading(self._core, name, "versions")
        entries = [make_entry(heading, view) for view in heading.view.versions]
        return flask.render_template("serai/versions.html", heading=heading, entries=entries)

    def show(self, name: str, number: int) -> str:
        heading = load_heading(self._core, name, "versions")
        view = heading.view.version(number)
        if view is None:
            raise NotFound(f"{name} has no version {number}; its list names those there are", "version-not-found")
        return flask.render_template(
            "serai/version.html",
            heading=heading,
            entry=make_entry(heading, view),
            view=view,
            steps=make_steps(view, self._trail.note(view)),
            cards=make_version_cards(view, self._core.cluster.usage()),
            spec=describe_spec(view.version.spec),
        )

    def start(self, name: str, number: int) -> Response:
        self._core.lifecycle.start(name, number, actor=get_viewer().identity)
        return see("ui.version", "started", name=name, number=number)

    def stop(self, name: str, number: int) -> Response:
        self._core.lifecycle.stop(name, number, actor=get_viewer().identity)
        return see("ui.version", "stopped", name=name, number=number)

    def delete(self, name: str, number: int) -> Response:
        check_confirmation(f"{name}:{number}")
        self._core.lifecycle.delete_version(name, number, actor=get_viewer().identity)
        return see("ui.versions", "version-deleted", name=name)


def make_entry(heading: Heading, view: VersionView) -> Entry:
    number = view.version.number
    before = next((v.version for v in heading.view.versions if v.version.number < number), None)
    differences = compare_specs(before.spec, view.version.spec) if before else []
    active = heading.view.deployment.active
    word = "Roll back" if active and number < active else "Start"
    return Entry(view, differences, before.number if before else None, word)
