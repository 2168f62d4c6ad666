"""`/`: all deployments, what is wrong with which, and the figures of the last hour for those in sight."""

from __future__ import annotations

import flask
from flask import Blueprint, Response

from serai.domain.status import State
from serai.reconcile.core import Core

from .figures import load_hour
from .rows import Row, Rows

# What needs a person first, first.
_URGENCY = (State.ERROR, State.PREPARING, State.SHUTTING_DOWN, State.RUNNING, State.STOPPED)
SORTS = ("name", "state", "version", "replicas", "gpus", "changed")
MAX_FIGURES = 60


class DeploymentsPage:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._rows = Rows()

    def register(self, ui: Blueprint) -> None:
        ui.get("/", endpoint="deployments")(self.show)
        ui.get("/figures", endpoint="figures")(self.figures)

    def show(self) -> str:
        query = flask.request.args.get("q", "").strip()
        sort = flask.request.args.get("sort", "name")
        is_reversed = flask.request.args.get("order") == "desc"
        index = self._core.changes.index()
        rows = self._rows.draw(self._core.cluster.views())
        rows.sort(key=lambda row: sort_key(row, sort if sort in SORTS else "name"), reverse=is_reversed)
        return flask.render_template(
            "serai/deployments.html",
            rows=rows,
            words=query.lower().split(),
            index=index,
            query=query,
            sort=sort,
            is_reversed=is_reversed,
        )

    def figures(self) -> Response:
        """Return `{name: html}` for the names asked for: drawings of the last hour."""
        names = flask.request.args.get("names", "").split(",")[:MAX_FIGURES]
        known = set(self._core.cluster.names())
        hours = {name: load_hour(self._core, name) for name in names if name in known}
        return flask.jsonify({name: flask.render_template("serai/_figures.html", hour=hours[name]) for name in hours})


def sort_key(row: Row, sort: str) -> tuple[object, str]:
    """Return what to order rows by; equal ones come by name."""
    deployment, shown = row.view.deployment, row.view.shown
    keys: dict[str, object] = {
        "name": "",
        "state": _URGENCY.index(shown.status.state) if shown else len(_URGENCY),
        "version": shown.version.number if shown else 0,
        "replicas": shown.status.ready if shown else 0,
        "gpus": row.gpus,
        "changed": deployment.changed_at,
    }
    return keys[sort], deployment.name
