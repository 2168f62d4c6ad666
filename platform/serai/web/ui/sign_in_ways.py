"""Signing in by a plugin: the browser is sent away, comes back, and gets a session. Plugins see no cookie."""

from __future__ import annotations

import hmac
import logging
import secrets

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import NotFound, PluginError, SeraiError, Unauthenticated
from serai.plugin import Identity, Person, SignIn
from serai.reconcile.core import Core
from serai.reconcile.vouched import permissions_of, take_in
from serai.web.problems import status_of

from .journey import COOKIE, LIFETIME, Journey, Journeys
from .signin import SigninPages, read_next

log = logging.getLogger(__name__)


class SignInWays:
    """`/login/<way>` and `/login/<way>/callback`, and the buttons on the sign-in page."""

    def __init__(self, core: Core, signing_in: SigninPages) -> None:
        self._core = core
        self._signing_in = signing_in
        self._journeys = Journeys(core.secret_key)

    def register(self, ui: Blueprint) -> None:
        ui.get("/login/<way>", endpoint="leave")(self.leave)
        ui.get("/login/<way>/callback", endpoint="come_back")(self.come_back)
        ui.context_processor(self.furnish)

    def furnish(self) -> dict[str, object]:
        return {"sign_in_ways": {name: way.label for name, way in self._core.sign_ins.items()}}

    def leave(self, way: str) -> Response | tuple[str, int]:
        """Send the browser to who knows the person."""
        found = self._find(way)
        callback_url = found.callback_url or flask.url_for("ui.come_back", way=way, _external=True)
        state = secrets.token_urlsafe(32)
        try:
            departure = found.begin(callback_url, state)
        except SeraiError as error:
            return _show(error)
        journey = Journey(way, state, dict(departure.kept), callback_url, read_next(), self._core.clock() + LIFETIME)
        response = flask.redirect(departure.address)
        response.set_cookie(
            COOKIE,
            self._journeys.dump(journey),
            max_age=LIFETIME,
            path=_path_of(way),
            httponly=True,
            samesite="Lax",  # Strict would be left out when the browser comes back from another site
            secure=flask.request.is_secure,
        )
        return response

    def come_back(self, way: str) -> Response | tuple[str, int]:
        """Sign in who left in this browser, and forget the journey, whatever comes of it."""
        answer = self._arrive(way)
        if not isinstance(answer, Response):
            answer = flask.make_response(answer)
        answer.delete_cookie(COOKIE, path=_path_of(way), httponly=True, samesite="Lax")
        return answer

    def _arrive(self, way: str) -> Response | tuple[str, int]:
        found = self._find(way)
        try:
            journey = self._journeys.take(flask.request.cookies.get(COOKIE), self._core.clock())
            _check_state(journey, way)
            person = found.finish(journey.callback_url, flask.request.args.to_dict(), journey.kept)
            if not isinstance(person, Person):
                raise PluginError(f"the plugin {way!r} told no Person at sign-in but a {type(person).__name__}")
            account = take_in(self._core.db, way, person, self._core.clock())
        except SeraiError as error:
            log.info("sign-in by %s refused: %s", way, error.code)
            return _show(error)
        identity = Identity(account.login, permissions_of(account.role))
        return self._signing_in.open_session(identity, 0, journey.target)

    def _find(self, way: str) -> SignIn:
        if way not in self._core.sign_ins:
            raise NotFound(f"Nobody signs in by {way!r} here.", "no-such-page")
        return self._core.sign_ins[way]


def _check_state(journey: Journey, way: str) -> None:
    presented = flask.request.args.get("state", "")
    if journey.way != way or not hmac.compare_digest(journey.state.encode(), presented.encode()):
        raise Unauthenticated(
            "This answer belongs to another sign-in than the one this browser began last; sign in again.",
            "sign-in-state",
        )


def _path_of(way: str) -> str:
    return flask.url_for("ui.leave", way=way)


def _show(error: SeraiError) -> tuple[str, int]:
    page = flask.render_template("serai/login.html", error=None, away_error=error, next=read_next())
    return page, status_of(error)
