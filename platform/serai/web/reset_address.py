"""The address at which a person sets the password of an account, as an administrator hands it on."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from serai.domain.quantity import parse_duration
from serai.reconcile.core import Core
from serai.store.resets import Reset, make_reset

PATH = "/login/new-password"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def make_reset_address(core: Core, asked: Request, login: str, expires_in: str, actor: str) -> tuple[Reset, str]:
    """Return what an address is for, and the address: of the server as it is configured, else as it was `asked`.

    Raise NotFound, Conflict for an account without a password of its own or disabled, Invalid for `expires_in`.
    """
    lifetime_s = parse_duration(expires_in, "expires_in")
    reset, code = make_reset(core.db, login, lifetime_s, core.clock(), actor)
    core.changes.bump("")
    return reset, f"{find_url(core.server_url, asked.host_url)}{PATH}?code={code}"


def find_url(server_url: str, asked_url: str) -> str:
    """Return where people reach a server: one that knows itself by a local address alone, as it was just asked."""
    return asked_url.rstrip("/") if urlsplit(server_url).hostname in _LOCAL else server_url
