"""The server as a WSGI application: API, pages, and plugins' pages on the parts they are given."""

from __future__ import annotations

import functools
import importlib.util

from flask import Flask, Response, json, request

from serai.plugin.identity import Permission
from serai.reconcile.core import Core

from .attempts import Attempts
from .auth import admit
from .blocking import Edge, Limits, Waiting
from .document import make_document
from .headers import secure_answers
from .mount import mount
from .problems import answer_problems
from .resources import RESOURCES, all_endpoints
from .span_desk import make_span_intake

_EXTENSION = "serai"
_PLUGIN_PAGES = "/x/"


def make_app(core: Core, limits: Limits | None = None) -> Flask:
    """Return the application that answers for `core`. Two of them in one process do not meet."""
    app = Flask("serai.web", static_folder=None, template_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    limits = limits or Limits.of_threads()
    edge = Edge(Waiting(limits), limits, make_span_intake(core))
    app.extensions[_EXTENSION] = edge
    answer_problems(app)
    secure_answers(app)
    mount(app, all_endpoints(), core, edge)
    _mount_document(app)
    _mount_plugin_pages(app, core)
    _mount_pages(app, core, edge.attempts)
    return app


def edge_of(app: Flask) -> Edge:
    """Return what `make_app` keeps with an app."""
    edge = app.extensions[_EXTENSION]
    assert isinstance(edge, Edge)  # noqa: S101 - nobody else writes there
    return edge


def _mount_document(app: Flask) -> None:
    write = functools.cache(lambda: json.dumps(make_document(RESOURCES)) + "\n")  # few ask for it

    @app.get("/openapi.json", endpoint="api.document", provide_automatic_options=False)
    def read_document() -> Response:
        """Return the OpenAPI document of this server. Needs no token."""
        response = Response(write(), mimetype="application/json")
        response.add_etag()
        response.make_conditional(request)
        return response


def _mount_plugin_pages(app: Flask, core: Core) -> None:
    """Mount the blueprints of plugins under `/x/<plugin>/`, for callers with READ."""
    for plugin, blueprint in core.plugins.blueprints().items():
        app.register_blueprint(blueprint, url_prefix=f"{_PLUGIN_PAGES}{plugin}", name=f"x.{plugin}")

    @app.before_request
    def admit_to_plugin_pages() -> None:
        if request.path.startswith(_PLUGIN_PAGES):
            admit(core, Permission.READ, None)


def _mount_pages(app: Flask, core: Core, attempts: Attempts) -> None:
    if importlib.util.find_spec("serai.web.ui") is None:
        return
    from .ui import make_ui

    app.register_blueprint(make_ui(core, attempts))
