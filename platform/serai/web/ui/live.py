"""Blocking reads for open pages: wait until something changed; the page then fetches itself again."""

from __future__ import annotations

import flask
from flask import Blueprint, Response

from serai.reconcile.core import Core
from serai.web.app import edge_of
from serai.web.waits import is_gone

MAX_WAIT_S = 25.0


class LiveReads:
    """`/live?topic=&index=&wait=`: the index of a deployment, or of anything with an empty topic."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/live", endpoint="live")(self.wait)

    def wait(self) -> Response:
        """Answer as soon as the topic's index is no longer the given one, at the latest after `wait` seconds."""
        topic = flask.request.args.get("topic", "")
        known = flask.request.args.get("index", 0, type=int)
        wait_s = min(MAX_WAIT_S, max(0.0, flask.request.args.get("wait", 10.0, type=float)))
        waiting, changes = edge_of(flask.current_app).waiting, self._core.changes
        newest = waiting.read(
            lambda timeout_s: changes.wait(topic, known, timeout_s), lambda index: index != known, wait_s, is_gone()
        )
        return flask.jsonify(index=newest)
