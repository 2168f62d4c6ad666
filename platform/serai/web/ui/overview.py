"""`/d/<name>`: is it well, if not why, what happened, and the few things one does with a deployment."""

from __future__ import annotations

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.reconcile.core import Core
from serai.store import events

from .figures import load_hour
from .forms import read_whole_number, see
from .heading import load_heading
from .replicas import make_cards
from .steps import Trail
from .viewer import get_viewer

TIMELINE = 40


class OverviewPage:
    def __init__(self, core: Core, trail: Trail) -> None:
        self._core = core
        self._trail = trail

    def register(self, ui: Blueprint) -> None:
        ui.get("/d/<name>", endpoint="overview")(self.show)
        ui.post("/d/<name>/scale", endpoint="scale")(self.scale)
        ui.post("/d/<name>/idle", endpoint="idle")(self.idle)
        ui.post("/d/<name>/wake", endpoint="wake")(self.wake)
        ui.post("/d/<name>/stop", endpoint="stop")(self.stop)

    def show(self, name: str) -> str:
        heading = load_heading(self._core, name, "overview")
        if heading.shown:
            self._trail.note(heading.shown)  # for the version's own page: who waits is as likely to look here
        return flask.render_template(
            "serai/overview.html",
            heading=heading,
            cards=make_cards(heading.view, self._core.cluster.usage()),
            hour=load_hour(self._core, name),
            events=events.list_events(self._core.db, name, limit=TIMELINE),
        )

    def scale(self, name: str) -> Response:
        count = read_whole_number("replicas")
        self._core.lifecycle.change(name, {"replicas": count}, actor=get_viewer().identity)
        return see("ui.overview", "scaled", name=name)

    def idle(self, name: str) -> Response:
        self._core.lifecycle.idle(name, actor=get_viewer().identity)
        return see("ui.overview", "idled", name=name)

    def wake(self, name: str) -> Response:
        self._core.lifecycle.wake(name, actor=get_viewer().identity)
        return see("ui.overview", "woken", name=name)

    def stop(self, name: str) -> Response:
        self._core.lifecycle.stop(name, None, actor=get_viewer().identity)
        return see("ui.overview", "stopped", name=name)
