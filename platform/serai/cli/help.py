"""`serai help`: the help of a command, or of everything, commands of plugins included."""

from __future__ import annotations

import click

from .catalogue import COMMANDS
from .extensions import load_plugin_commands


@click.command("help")
@click.argument("command", required=False)
@click.pass_context
def help_command(ctx: click.Context, command: str | None) -> None:
    """Show the help of one command, or of all.

    Unlike `serai --help`, this lists the commands of further plugins, too."""
    root = ctx.find_root()
    group = root.command
    assert isinstance(group, click.Group)  # noqa: S101 - the root is `serai`
    if command:
        found = group.get_command(root, command)
        if found is None:
            ctx.fail(f"there is no command {command!r}")
        click.echo(found.get_help(click.Context(found, info_name=command, parent=root)))
        return
    click.echo(root.get_help())
    added = {name: found for name, found in load_plugin_commands().items() if name not in COMMANDS}
    if added:
        formatter = root.make_formatter()
        with formatter.section("\nPlugins"):
            formatter.write_dl([(name, found.get_short_help_str(90)) for name, found in added.items()])
        click.echo(formatter.getvalue())
