"""`/events`: what happened, and who did it, newest first, page by page."""

from __future__ import annotations

import flask
from flask import Blueprint

from serai.reconcile.core import Core
from serai.store import events

PAGE = 200
MOST = 3200


class EventsPage:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/events", endpoint="events")(self.show)

    def show(self) -> str:
        index = self._core.changes.index()
        deployment = flask.request.args.get("deployment") or None
        count = min(MOST, max(1, flask.request.args.get("count", PAGE, type=int)))
        actor = flask.request.args.get("actor", "").strip() or None
        lines = events.list_events(self._core.db, deployment, limit=count, actor=actor)
        names = self._core.cluster.names()
        return flask.render_template(
            "serai/events.html",
            events=lines,
            index=index,
            deployment=deployment,
            actor=actor,
            names=names,
            count=count,
            most=MOST,
        )
