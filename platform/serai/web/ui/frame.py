"""What every page has around it: the check of who asks, security headers, shared words, and the page for errors."""

from __future__ import annotations

import logging
import secrets
from urllib.parse import urlsplit

import flask
from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from serai.domain.errors import Forbidden, NotFound, SeraiError
from serai.plugin import Permission
from serai.reconcile.core import Core
from serai.web.problems import answer_http_error, status_of
from serai.web.session import CSRF_FIELD, CSRF_HEADER, SAFE_METHODS, is_csrf_valid

from . import words
from .assets import Assets
from .charts import make_share
from .heading import TABS
from .notes import NOTES
from .viewer import find_viewer, may

log = logging.getLogger(__name__)

OPEN_ENDPOINTS = frozenset(
    {
        "ui.asset",
        "ui.chart_library",
        "ui.login",
        "ui.sign_in",
        "ui.leave",
        "ui.come_back",
        "ui.new_password",
        "ui.set_new_password",
    }
)
# Who may only look has a password and tokens, too.
READING_POSTS = frozenset(
    {"ui.send_test", "ui.stop_test", "ui.sign_out", "ui.change_password", "ui.create_token", "ui.revoke_token"}
)
# Pages run their own modules and nothing else; answers of models are shown as text, or as images from memory.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Frame:
    """Stands before and after every page of the blueprint."""

    def __init__(self, core: Core, assets: Assets) -> None:
        self._core = core
        self._assets = assets

    def register(self, ui: Blueprint) -> None:
        ui.before_request(self.guard)
        ui.after_request(protect)
        ui.context_processor(self.furnish)
        ui.register_error_handler(SeraiError, self.show_error)
        ui.register_error_handler(Exception, self.show_fault)
        ui.app_errorhandler(404)(self.show_missing)
        for name, function in words.FILTERS.items():
            ui.add_app_template_filter(function, name)

    def guard(self) -> AnyResponse | None:
        """Let in who is signed in, may do it, and sent the form from one of these pages."""
        check_origin()
        if flask.request.endpoint in OPEN_ENDPOINTS:
            return None
        viewer = find_viewer(self._core)
        if viewer is None:
            return ask_to_sign_in()
        flask.g.viewer = viewer
        is_reading = flask.request.method in SAFE_METHODS or flask.request.endpoint in READING_POSTS
        if flask.request.method not in SAFE_METHODS:
            presented = flask.request.headers.get(CSRF_HEADER) or flask.request.form.get(CSRF_FIELD)
            if not is_csrf_valid(self._core.secret_key, viewer.session, presented):
                raise Forbidden("This form is out of date; go back, reload the page and send it again.", "csrf")
        permission = Permission.READ if is_reading else Permission.WRITE
        self._core.plugins.authorize(viewer.identity, permission, (flask.request.view_args or {}).get("name"))
        return None

    def furnish(self) -> dict[str, object]:
        """Return what the base template needs on every page."""
        viewer = flask.g.get("viewer")
        name = (flask.request.view_args or {}).get("name")
        return {
            "viewer": viewer,
            "csrf": viewer.csrf if viewer else "",
            "can_write": bool(viewer) and may(self._core, Permission.WRITE, name),
            "is_administrator": bool(viewer) and may(self._core, Permission.ADMIN),
            "asset": self._assets.address,
            "now": self._core.clock(),
            "note": NOTES.get(flask.request.args.get("note", "")),
            "tabs": TABS,
            "meter": make_share,
        }

    def show_error(self, error: SeraiError) -> tuple[str, int]:
        """Show what went wrong and what to do, with a way back."""
        if not hasattr(flask.g, "viewer"):
            flask.g.viewer = find_viewer(self._core)
        return flask.render_template("serai/error.html", error=error, **self.furnish()), status_of(error)

    def show_fault(self, error: Exception) -> AnyResponse | tuple[str, int]:
        """Show that the server is at fault, and under which id its log says more."""
        if isinstance(error, HTTPException):
            return answer_http_error(error)
        fault = secrets.token_hex(4)
        log.error("fault %s", fault, exc_info=error)
        return self.show_error(
            SeraiError(f"The server met a fault of its own; its log has it under {fault}.", "internal")
        )

    def show_missing(self, error: HTTPException) -> AnyResponse:
        """Show a person that there is no such page; programs get the problem document as everywhere."""
        if not is_person():
            return answer_http_error(error)
        missing = NotFound(f"There is no page at {flask.request.path}.", "no-such-page")
        return protect(flask.make_response(self.show_error(missing)))


def is_person() -> bool:
    """Return whether a browser asks for a page of ours."""
    request = flask.request
    is_api = request.path.startswith(("/api/", "/x/", "/v1/", "/assets/"))
    return request.method == "GET" and not is_api and "text/html" in request.headers.get("Accept", "")


def check_origin() -> None:
    """Refuse an unsafe request that another site made the browser send; before signing in no CSRF token exists."""
    origin = flask.request.headers.get("Origin")
    if flask.request.method in SAFE_METHODS or origin is None:
        return
    if urlsplit(origin).netloc != flask.request.host:
        raise Forbidden(f"The page at {origin} may not send forms to this server.", "csrf")


def ask_to_sign_in() -> AnyResponse:
    """Send a person to the sign-in page, and a module to its own error handling."""
    if flask.request.headers.get("Sec-Fetch-Dest", "document") not in {"document", "empty"} or _is_module():
        return Response("sign in first\n", 401, content_type="text/plain")
    here = flask.request.full_path.rstrip("?") if flask.request.method == "GET" else "/"
    return flask.redirect(flask.url_for("ui.login", next=here))


def _is_module() -> bool:
    return "X-Serai-Live" in flask.request.headers


def protect(response: Response) -> Response:
    """Add what keeps a page from running what is not ours, and from being kept; the app adds the rest."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
