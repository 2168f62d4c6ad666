"""What every command that talks to a server shares: the options --json and --server, the client, the output."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from .failure import JSON_KEY
from .output import Output

if TYPE_CHECKING:
    from serai.client.client import Client
    from serai.client.profile import Profile

P = ParamSpec("P")


class Session:
    """One command's dealings with a server. The client is made when it is first used."""

    def __init__(self, as_json: bool, server: str | None) -> None:
        self.out = Output(as_json)
        self._server = server

    @functools.cached_property
    def profile(self) -> Profile:
        """The server to talk to: --server, else what `find_profile` finds."""
        import os

        from serai.client.profile import find_profile

        return find_profile(os.environ | ({"SERAI_URL": self._server} if self._server else {}))

    @functools.cached_property
    def client(self) -> Client:
        from serai.client.client import Client

        client = Client(self.profile.url, self.profile.token)
        click.get_current_context().call_on_close(client.close)
        return client


def connected(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Give a command the options --json and --server, and a Session as its first argument."""

    def command(ctx: click.Context, /, as_json: bool, server: str | None, **options: Any) -> None:
        ctx.find_root().meta[JSON_KEY] = as_json
        ctx.invoke(function, Session(as_json, server), **options)

    functools.update_wrapper(command, function)
    passing = click.pass_context(command)
    for option in _OPTIONS:
        passing = option(passing)
    return passing


_OPTIONS = (
    click.option("--server", metavar="URL", help="Address of the server, before SERAI_URL and the saved login."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON: one document, or one a line when following."),
)
