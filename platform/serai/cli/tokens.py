"""`serai tokens`: make, list and revoke the tokens with which people and programs use the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from serai.domain.errors import NotFound

from .asking import confirm
from .numbered import find_number
from .people import complete_login
from .session import Session, connected
from .words import clean, format_age, format_local

NEVER = "never"
# Those of serai.plugin.identity, which `serai --help` need not load; a test compares.
PERMISSIONS = ("read", "write", "fetch", "spans", "admin", "gateway")


@click.group()
def tokens() -> None:
    """Make and revoke tokens for using the API and this command.

    They call no deployment: that is what `serai keys` are for. TOKEN is a token's number or its name."""


@tokens.command("ls")
@connected
def list_tokens(session: Session) -> None:
    """List your tokens; an administrator's list has everybody's."""
    found = session.client.list_tokens()
    if session.out.as_json:
        session.out.document(found)
    elif not found:
        session.out.say("There are no tokens. Make one with `serai tokens create NAME --permission read`.")
    else:
        columns = ("TOKEN", "NAME", "BEGINS", "LOGIN", "MAY", "EXPIRES", "USED")
        session.out.table(columns, map(_row, found), right=("TOKEN",))


@tokens.command()
@click.argument("name")
@click.option(
    "--permission",
    "permissions",
    required=True,
    multiple=True,
    type=click.Choice(PERMISSIONS),
    help="What it may do; may be repeated. write includes read, fetch and spans, admin everything but gateway.",
)
@click.option("--expires-in", metavar="90d", help="After how long it ends; never if absent.")
@click.option("--login", shell_complete=complete_login, help="Make it somebody else's (administrators).")
@connected
def create(
    session: Session, name: str, permissions: tuple[str, ...], expires_in: str | None, login: str | None
) -> None:
    """Make a token, and print it: it is never shown again.

    It may never do more than its login may at the moment."""
    values = {"name": name, "permissions": list(dict.fromkeys(permissions)), "expires_in": expires_in, "login": login}
    made = session.client.create_token(values)
    session.out.secret(
        made,
        made["token"],
        f"Token {_describe(made)}: {', '.join(made['permissions'])}.",
        "Keep it now, it is never shown again. `serai login` and SERAI_TOKEN take it:",
    )


@tokens.command()
@click.argument("token")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, token: str, yes: bool) -> None:
    """Revoke a token for good, with the browser sessions made from it."""
    listed = session.client.list_tokens()
    number = find_number(token, "token", lambda: listed)
    found = next((item for item in listed if item["id"] == number), None)
    if found is None:
        raise NotFound(f"there is no token {number}; `serai tokens ls` lists those there are", "token-not-found")
    if not yes:
        confirm(f"Revoke token {_describe(found)} for good?", "Nothing was revoked.")
    session.client.revoke_token(number)
    session.out.say(f"Token {_describe(found)} is revoked.")
    if session.out.as_json:
        session.out.document(found)


def _describe(token: Mapping[str, Any]) -> str:
    return clean(f"{token['id']} ({token['name']}, {token['prefix']}…) of {token['login']}")


def _row(token: Mapping[str, Any]) -> tuple[str, ...]:
    expires = format_local(token["expires_at"]) if token["expires_at"] else NEVER
    used = f"{format_age(token['last_used_at'])} ago" if token["last_used_at"] else NEVER
    may = ", ".join(token["permissions"])
    return (str(token["id"]), token["name"], token["prefix"], token["login"], may, expires, used)
