"""`serai users`: list, add, edit and remove the accounts of people who sign in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from serai.domain.accounts import Role
from serai.domain.errors import Invalid

from .asking import ask_password, confirm
from .people import login_argument
from .session import Session, connected
from .words import clean, format_age, format_local

NEVER = "never"
_NAME = click.option("--name", help="The person's name.")
_EMAIL = click.option("--email", help="The person's address.")
_ROLE = click.option("--role", type=click.Choice([role.value for role in Role]), help="What the account may do.")
_PASSWORD = click.option(
    "--password", "with_password", is_flag=True, help="Ask for a password, or read it from a pipe's first line."
)


_EXPIRES_IN = click.option("--expires-in", metavar="24h", help="How long the address is good for, at most 30d.")


@click.group()
def users() -> None:
    """Make and change accounts of people who sign in.

    For administrators. A member deploys and changes what it or its teams own, a viewer looks, an administrator may
    do everything."""


@users.command("ls")
@connected
def list_users(session: Session) -> None:
    """List the accounts, disabled ones too."""
    found = session.client.list_users()
    if session.out.as_json:
        session.out.document(found)
    elif not found:
        session.out.say("There are no accounts. Make one with `serai users add LOGIN --password`.")
    else:
        session.out.table(("LOGIN", "NAME", "EMAIL", "ROLE", "SIGNS IN", "LAST SIGN-IN"), map(_row, found))


@users.command()
@click.argument("login")
@_NAME
@_EMAIL
@_ROLE
@_PASSWORD
@click.option("--invite", is_flag=True, help="Print an address at which the person sets the password, once.")
@connected
def add(
    session: Session,
    login: str,
    name: str | None,
    email: str | None,
    role: str | None,
    with_password: bool,
    invite: bool,
) -> None:
    """Make an account, a member's if no role is given.

    Nobody signs in to it before it has a password: --password or --invite, or later `serai users reset`."""
    if invite and with_password:
        raise Invalid("--invite and --password exclude each other: give one of them", "invite")
    password = ask_password(login) if with_password else None
    made = session.client.create_user(
        {"login": login, **_given(name=name, email=email, role=role, password=password)},
    )
    if not invite:
        _say(session, made, f"is made, as {made['role']}")
        return
    session.out.warn(f"Account {clean(login)} is made, as {made['role']}.")
    _show_address(session, session.client.reset_password(login))


@users.command()
@login_argument
@_NAME
@_EMAIL
@_ROLE
@click.option("--disable/--enable", "disabled", default=None, help="Refuse its sign-ins and tokens, or no more.")
@_PASSWORD
@connected
def edit(
    session: Session,
    login: str,
    name: str | None,
    email: str | None,
    role: str | None,
    disabled: bool | None,
    with_password: bool,
) -> None:
    """Change an account; in effect with its next request.

    Disabling it or giving it another password ends its sign-ins; its tokens sleep while it is disabled."""
    values = _given(name=name, email=email, role=role, disabled=disabled)
    if not values and not with_password:
        raise Invalid("nothing to change is given; see `serai users edit --help`", "login")
    if with_password:
        session.client.get_user(login)
        session.client.set_password(login, ask_password(login))
    after = session.client.change_user(login, values) if values else session.client.get_user(login)
    _say(session, after, "is changed")


@users.command()
@login_argument
@_EXPIRES_IN
@connected
def reset(session: Session, login: str, expires_in: str | None) -> None:
    """Print an address at which the person sets the password of an account, once.

    An earlier address is void. Setting the password ends the account's sign-ins; its tokens stay."""
    _show_address(session, session.client.reset_password(login, expires_in))


@users.command()
@login_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def remove(session: Session, login: str, yes: bool) -> None:
    """Delete an account that owns no deployment, with its tokens.

    Its keys for calling deployments stay: see `serai keys`."""
    found = session.client.get_user(login)
    if not yes:
        confirm(
            f"Delete the account {login} ({clean(found['name']) or found['role']}) for good?", "Nothing was deleted."
        )
    session.client.delete_user(login)
    _say(session, found, "is deleted")


def _show_address(session: Session, made: Mapping[str, Any]) -> None:
    session.out.secret(
        made,
        made["url"],
        f"Hand this address to {clean(made['login'])}: it sets the account's password once, until"
        f" {format_local(made['expires_at'])}. It is never shown again:",
    )


def _given(**values: object) -> dict[str, object]:
    """Return the options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _say(session: Session, account: Mapping[str, Any], done: str) -> None:
    if session.out.as_json:
        session.out.document(account)
    else:
        session.out.say(f"Account {clean(account['login'])} {done}.")


def _row(account: Mapping[str, Any]) -> tuple[str, ...]:
    last = f"{format_age(account['last_sign_in_at'])} ago" if account["last_sign_in_at"] else NEVER
    return (account["login"], account["name"], account["email"], account["role"], _describe_way_in(account), last)


def _describe_way_in(account: Mapping[str, Any]) -> str:
    if account["disabled"]:
        return "disabled"
    return f"by {account['provider'] or 'password'}" if account["provider"] or account["has_password"] else "not yet"
