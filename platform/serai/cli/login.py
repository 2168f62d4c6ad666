"""`serai login`, `serai logout`, `serai whoami`: which server, and who one is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from serai.domain.errors import Invalid, NotFound, SeraiError, Unauthenticated

from .asking import ask_password
from .session import Session, connected
from .words import format_local

if TYPE_CHECKING:
    from serai.client.profile import Profile


@click.command()
@click.argument("url", required=False)
@click.option("--user", metavar="NAME", help="Sign in with this login; its password is asked for.")
@click.option("--expires-in", metavar="30d", help="With --user: after how long the login ends.")
@click.option("--token-file", type=click.File(), help="Read the token from a file, or from standard input (-).")
@click.option("--browser", is_flag=True, help="Print an address that signs a browser in once, on the server's machine.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=".serai", help="With --browser.")
def login(
    url: str | None, user: str | None, expires_in: str | None, token_file: TextIO | None, browser: bool, data: Path
) -> None:
    """Save the address of a server and a token for it.

    With --user the token is made for the login and its password, which is asked for, or the first line of a pipe; it
    ends after 30 days and with `serai logout`. Without, a token is asked for that was made before. It is kept in a
    file that only you can read, and sent to this server alone."""
    if browser:
        _print_address(data)
        return
    if user and token_file:
        raise Invalid("--user and --token-file exclude each other: give one of them", "user")
    if expires_in and not user:
        raise Invalid(
            "--expires-in goes with --user: a token that was made before ends when it was said to", "expires-in"
        )
    from serai.client.profile import find_profile, profile_path, save_profile
    from serai.client.transport import check_url, is_loopback

    url, path = check_url(url or find_profile().url), profile_path()
    if url.startswith("http://") and not is_loopback(url):
        click.echo(f"Note: {url} is not encrypted; who listens on the way can take what is sent.", err=True)
    profile, said = _sign_in(url, user, expires_in) if user else _take_token(url, _read_token(url, token_file))
    earlier = _load_saved(path)
    save_profile(path, profile)
    click.echo(f"{said}; saved in {path}.")
    if earlier is not None and earlier.token != profile.token:
        _end(earlier)


def _sign_in(url: str, user: str, expires_in: str | None) -> tuple[Profile, str]:
    """Return the login for a password, and what is said of it."""
    import socket

    from serai.client.client import Client
    from serai.client.profile import Profile

    values = {"name": f"serai login on {socket.gethostname()}"[:200]}
    if expires_in:
        values["expires_in"] = expires_in
    with Client(url) as client:
        made = client.sign_in(user, ask_password(user, is_new=False), values)
    until = format_local(made["expires_at"])
    said = f"Signed in to {url} as {made['login']} ({', '.join(made['permissions'])}) until {until}"
    return Profile(url, made["token"], token_id=made["id"]), said


def _take_token(url: str, token: str) -> tuple[Profile, str]:
    """Return the login with a token that was made before, and what is said of it."""
    from serai.client.client import Client
    from serai.client.profile import Profile

    with Client(url, token) as client:
        who = client.whoami()
    return Profile(url, token), f"Signed in to {url} as {who['login']} ({', '.join(who['permissions'])})"


def _read_token(url: str, token_file: TextIO | None) -> str:
    if token_file:
        return token_file.read().strip()
    if not sys.stdin.isatty():
        raise Invalid(
            "there is no terminal to ask for the token on; give --token-file, or --user and the password as a line",
            "token-file",
        )
    return str(click.prompt(f"Token for {url}", hide_input=True)).strip()


def _load_saved(path: Path) -> Profile | None:
    """Return the saved login; None for none, and for a broken file, which is replaced or removed all the same."""
    from serai.client.profile import load_profile

    try:
        return load_profile(path)
    except Invalid:
        return None


def _end(profile: Profile) -> SeraiError | None:
    """Revoke the token that a login had made, if it did; return why it could not be."""
    if not profile.token_id:
        return None
    from serai.client.client import Client

    try:
        with Client(profile.url, profile.token) as client:
            client.revoke_token(profile.token_id)
    except (NotFound, Unauthenticated):  # it has ended already
        return None
    except SeraiError as error:
        return error
    return None


def _print_address(data: Path) -> None:
    """Print a one-time login address; whoever can read the server's secret key may make one."""
    from datetime import UTC, datetime

    from serai.client.profile import load_local
    from serai.web.ui.login_codes import make_login_url

    local = load_local(data / "up.json")
    try:
        key = bytes.fromhex((data / "secret.key").read_text().strip())
    except OSError as error:
        raise NotFound(f"{data / 'secret.key'} cannot be read ({error.strerror}); name the server's --data") from error
    url = make_login_url(local.url if local else "http://127.0.0.1:8080", key, datetime.now(UTC))
    click.echo(f"  sign in  {url}  (once, within 30 minutes)")


@click.command()
def logout() -> None:
    """End the saved login and forget it.

    The token of `serai login --user` is revoked. One that was made before stays valid until it is revoked."""
    from serai.client.profile import forget_profile, profile_path

    path = profile_path()
    profile = _load_saved(path)
    failure = _end(profile) if profile else None
    click.echo(f"{path} is removed." if forget_profile(path) else "There is no saved login.")
    if profile and failure:
        click.echo(
            f"Its token {profile.token_id} at {profile.url} could not be revoked ({failure.message}); it goes on until"
            " it ends by itself: revoke it on the page of your account.",
            err=True,
        )
        raise click.exceptions.Exit(1)


@click.command()
@connected
def whoami(session: Session) -> None:
    """Show who you are, and at which server."""
    who = session.client.whoami()
    if session.out.as_json:
        session.out.document(who | {"server": session.profile.url, "source": session.profile.source})
        return
    session.out.say(f"{who['login']} ({', '.join(who['permissions'])})")
    session.out.say(f"  at {session.profile.url}, known from {session.profile.source}")
