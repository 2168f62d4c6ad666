"""`/capacity`: each machine, what it has and what is taken, as far as the scheduler can tell."""

from __future__ import annotations

import flask
from flask import Blueprint

from serai.domain.errors import NotSupported, SchedulerError
from serai.reconcile.core import Core


class CapacityPage:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/capacity", endpoint="capacity")(self.show)

    def show(self) -> str:
        index = self._core.changes.index()
        try:
            nodes, problem = self._core.scheduler.capacity(), None
        except (NotSupported, SchedulerError) as error:
            nodes, problem = [], error.message
        return flask.render_template("serai/capacity.html", nodes=nodes, problem=problem, index=index)
