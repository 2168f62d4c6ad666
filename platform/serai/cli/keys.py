"""`serai keys`: make, list, edit, rotate and revoke the keys with which programs call deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from serai.domain.errors import Invalid

from .asking import confirm
from .numbered import find_number
from .session import Session, connected
from .words import clean, format_age, format_local

NEVER = "never"
_DEPLOYMENT = click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME", help="A deployment it opens; may be repeated."
)


@click.group()
def keys() -> None:
    """Make and revoke keys for calling deployments.

    A deployment asks for keys after `serai access NAME keys`. KEY is a key's number or its name.
    """


@keys.command()
@click.argument("name")
@_DEPLOYMENT
@click.option("--expires", metavar="90d", help="After how long it ends; never if absent.")
@click.option("--owner", metavar="LOGIN", help="Make it somebody else's (administrators).")
@connected
def create(session: Session, name: str, deployments: tuple[str, ...], expires: str | None, owner: str | None) -> None:
    """Make a key, and print its secret: it is never shown again.

    Without --deployment it opens all deployments of its owner, now and later."""
    values: dict[str, Any] = {"name": name, "deployments": list(deployments) or None}
    values |= {"expires_in": _read_lifetime(expires), "owner": owner}
    _show_secret(session, session.client.create_key(values))


@keys.command("ls")
@click.option("--deployment", metavar="NAME", help="Only keys that open this deployment.")
@connected
def list_keys(session: Session, deployment: str | None) -> None:
    """List your keys; an administrator's list has everybody's."""
    found = session.client.list_keys(deployment)
    if session.out.as_json:
        session.out.document(found)
    elif not found:
        session.out.say("There are no keys. Make one with `serai keys create NAME`.")
    else:
        columns = ("KEY", "NAME", "BEGINS", "OWNER", "EXPIRES", "USED", "OPENS")
        session.out.table(columns, [_row(key) for key in found], right=("KEY",))


@keys.command()
@click.argument("key")
@click.option("--name", help="Another name.")
@_DEPLOYMENT
@click.option("--all", "everything", is_flag=True, help="Let it open all deployments of its owner.")
@click.option("--expires", metavar="90d|never", help="When it ends, from now.")
@connected
def edit(
    session: Session, key: str, name: str | None, deployments: tuple[str, ...], everything: bool, expires: str | None
) -> None:
    """Change a key's name, what it opens, or when it ends; its secret stays."""
    if everything and deployments:
        raise Invalid("--all and --deployment exclude each other: give one of them", "deployments")
    values: dict[str, Any] = {} if name is None else {"name": name}
    if everything or deployments:
        values["deployments"] = list(deployments) or None
    if expires is not None:
        values["expires_in"] = _read_lifetime(expires)
    if not values:
        raise Invalid("nothing to change is given; see `serai keys edit --help`", "key")
    _say(session, session.client.change_key(_find(session, key), values), "is changed")


@keys.command()
@click.argument("key")
@click.option("--overlap", default="1d", show_default=True, help="How long the old secret is taken beside the new one.")
@connected
def rotate(session: Session, key: str, overlap: str) -> None:
    """Give a key a new secret, and print it.

    The old one is taken beside it for the overlap; 0s ends it at once."""
    _show_secret(session, session.client.rotate_key(_find(session, key), overlap))


@keys.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, key: str, yes: bool) -> None:
    """Revoke a key for good; every gateway refuses it within a second."""
    found = session.client.get_key(_find(session, key))
    if not yes:
        confirm(
            f"Revoke key {found['id']} ({clean(found['name'])}, {found['prefix']}…) for good?", "Nothing was revoked."
        )
    session.client.revoke_key(found["id"])
    _say(session, found, "is revoked")


def _find(session: Session, key: str) -> int:
    """Return the number of the key that has this number or, else, this name."""
    return find_number(key, "key", session.client.list_keys)


def _read_lifetime(text: str | None) -> str | None:
    return None if text in {None, NEVER} else text


def _show_secret(session: Session, key: Mapping[str, Any]) -> None:
    session.out.secret(
        key,
        key["key"],
        f"Key {key['id']} ({clean(key['name'])}), for {_describe_reach(key)}.",
        "Keep it now, it is never shown again. Callers send it as `Authorization: Bearer <key>`:",
    )


def _say(session: Session, key: Mapping[str, Any], done: str) -> None:
    if session.out.as_json:
        session.out.document(key)
    else:
        session.out.say(f"Key {key['id']} ({clean(key['name'])}) {done}.")


def _row(key: Mapping[str, Any]) -> tuple[str, ...]:
    used = f"{format_age(key['last_used_at'])} ago" if key["last_used_at"] else NEVER
    begins = "\n".join(_describe_secret(secret) for secret in key["secrets"])
    expires = format_local(key["expires_at"]) if key["expires_at"] else NEVER
    return (str(key["id"]), clean(key["name"]), begins, clean(key["owner"]), expires, used, _describe_reach(key))


def _describe_secret(secret: Mapping[str, Any]) -> str:
    return str(secret["prefix"]) + (f" until {format_local(secret['ends_at'])}" if secret["ends_at"] else "")


def _describe_reach(key: Mapping[str, Any]) -> str:
    names = key["deployments"]
    if names is None:
        return clean(f"all deployments of {key['owner']}")
    return ", ".join(names) or "nothing: its deployments are deleted"
