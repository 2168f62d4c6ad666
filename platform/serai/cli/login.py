"""`serai login`, `serai logout`, `serai whoami`: which server, and who one is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import click

from serai.domain.errors import Invalid, NotFound

from .session import Session, connected


@click.command()
@click.argument("url", required=False)
@click.option("--token-file", type=click.File(), help="Read the token from a file, or from standard input (-).")
@click.option("--browser", is_flag=True, help="Print an address that signs a browser in once, on the server's machine.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=".serai", help="With --browser.")
def login(url: str | None, token_file: TextIO | None, browser: bool, data: Path) -> None:
    """Save the address of a server and a token for it.

    The token is asked for. It is kept in a file that only you can read, and sent to this server alone.
    """
    if browser:
        _print_address(data)
        return
    from serai.client.client import Client
    from serai.client.profile import Profile, find_profile, profile_path, save_profile
    from serai.client.transport import check_url, is_loopback

    url = check_url(url or find_profile().url)
    if url.startswith("http://") and not is_loopback(url):
        click.echo(f"Note: {url} is not encrypted; who listens on the way can take the token.", err=True)
    token = _read_token(url, token_file)
    with Client(url, token) as client:
        who = client.whoami()
    path = profile_path()
    save_profile(path, Profile(url, token))
    click.echo(f"Signed in to {url} as {who['login']} ({', '.join(who['permissions'])}); saved in {path}.")


def _read_token(url: str, token_file: TextIO | None) -> str:
    if token_file:
        return token_file.read().strip()
    if not sys.stdin.isatty():
        raise Invalid("there is no terminal to ask for the token on; give --token-file", "token-file")
    return str(click.prompt(f"Token for {url}", hide_input=True)).strip()


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
    """Forget the saved login. The token itself stays valid until it is revoked."""
    from serai.client.profile import forget_profile, profile_path

    path = profile_path()
    click.echo(f"{path} is removed." if forget_profile(path) else "There is no saved login.")


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
