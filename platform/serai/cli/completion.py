"""`serai completion`: the script that lets a shell complete commands, options and names of deployments."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(serai completion bash)"   in ~/.bashrc
    zsh:   eval "$(serai completion zsh)"    in ~/.zshrc
    fish:  serai completion fish > ~/.config/fish/completions/serai.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click brings these three
    click.echo(kind(ctx.find_root().command, {}, "serai", "_SERAI_COMPLETE").source())
