"""Who calls, and may they: asked of the plugins before every endpoint is reached."""

from __future__ import annotations

from flask import Request, request

from serai.domain.errors import Forbidden, Unauthenticated
from serai.plugin.identity import Credentials, Identity, Permission
from serai.reconcile.core import Core
from serai.store import tokens

from .session import COOKIE, CSRF_HEADER, SAFE_METHODS, Session, is_csrf_valid, load_session

ANYBODY = Identity("anybody")
_MAX_TOKEN = 8192


def identify(core: Core, asked: Request | None = None) -> Identity:
    """Return who sends the request: by the header `Authorization: Bearer`, else by the session's cookie.

    An unsafe method that comes with the cookie needs the session's CSRF token in the header `X-CSRF-Token`.
    Raise Unauthenticated, or Forbidden for a missing CSRF token.
    """
    asked = asked or request
    header = asked.headers.get("Authorization")
    if header is not None:
        return core.plugins.authenticate(Credentials(_read_bearer(header), asked.remote_addr or ""))
    session = find_session(core, asked)
    if session is None:
        raise Unauthenticated("this call needs a token: send Authorization: Bearer <token>")
    identity = core.plugins.authenticate(Credentials(session.token, asked.remote_addr or ""))
    _check_csrf(core, asked, session)
    return identity


def admit(core: Core, needs: Permission | None, deployment: str | None) -> Identity:
    """Return who calls if they may do what needs `needs`. Raise Unauthenticated or Forbidden."""
    if needs is None:
        return ANYBODY
    identity = identify(core)
    core.plugins.authorize(identity, needs, deployment)
    return identity


def _read_bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN or not token.isascii():
        raise Unauthenticated("the header Authorization has to be: Bearer <token>")
    return token


def _check_csrf(core: Core, asked: Request, session: Session) -> None:
    if asked.method in SAFE_METHODS:
        return
    if not is_csrf_valid(core.secret_key, session, asked.headers.get(CSRF_HEADER)):
        raise Forbidden(f"a call with the session's cookie needs its token in {CSRF_HEADER}", "csrf")


def find_session(core: Core, asked: Request) -> Session | None:
    """Return the session whose cookie came with a request, unless the token it was made from is gone or too old."""
    now = core.clock()
    return load_session(core.secret_key, asked.cookies.get(COOKIE), lambda id: tokens.is_token_alive(core.db, id, now))
