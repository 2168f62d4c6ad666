"""Who looks at a page: found from the session's cookie, kept for the time of the request."""

from __future__ import annotations

from dataclasses import dataclass, field

import flask

from serai.domain.errors import Unauthenticated
from serai.plugin import Credentials, Identity, Permission
from serai.reconcile.core import Core
from serai.web.auth import find_session
from serai.web.session import Session, make_csrf_token


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person, and the CSRF token of the session."""

    identity: Identity
    session: Session = field(repr=False)
    csrf: str = field(repr=False)

    @property
    def login(self) -> str:
        return self.identity.login


def find_viewer(core: Core) -> Viewer | None:
    """Return who sent the current request, or None where nobody is signed in."""
    session = find_session(core, flask.request)
    if session is None:
        return None
    try:
        identity = core.plugins.authenticate(Credentials(session.token, flask.request.remote_addr or ""))
    except Unauthenticated:
        return None
    return Viewer(identity, session, make_csrf_token(core.secret_key, session))


def get_viewer() -> Viewer:
    """Return the viewer that the frame found for this request."""
    viewer = flask.g.viewer
    assert isinstance(viewer, Viewer)  # noqa: S101 - the frame lets nobody in without
    return viewer


def may(core: Core, permission: Permission, deployment: str | None = None) -> bool:
    """Return whether the viewer may do something, for buttons that say why they cannot be pressed."""
    return core.plugins.allows(get_viewer().identity, permission, deployment)
