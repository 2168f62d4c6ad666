"""The group `serai`: finds commands by name when they are asked for, and ends every error the same way."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

import serai
from serai.domain.errors import SeraiError

from .catalogue import BUNDLED, COMMANDS, SECTIONS
from .failure import INTERRUPTED, Failure, wants_json

_EPILOG = "Commands that further plugins add are listed by `serai help`."


class Root(click.Group):
    """Serai's own commands by name, then those of plugins, which are only loaded for a name that is not known."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            return load_command(COMMANDS[name])
        from .extensions import load_plugin_commands

        return load_plugin_commands().get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`serai --help` lists them."
            ctx.fail(f"there is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, describe_command(name)) for name in names])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SeraiError as error:
            raise Failure(error, as_json=wants_json(ctx)) from error
        except KeyboardInterrupt:
            click.echo(err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None


def describe_command(name: str) -> str:
    """Return the one line that a command says of itself."""
    return BUNDLED.get(name) or load_command(COMMANDS[name]).get_short_help_str(90)


def load_command(place: str) -> click.Command:
    """Return the command at `module:attribute` of this package, or that of a plugin (`plugin:<name>`)."""
    module, _, attribute = place.partition(":")
    if module == "plugin":
        from .extensions import load_bundled_command

        return load_bundled_command(attribute)
    command = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    assert isinstance(command, click.Command)  # noqa: S101 - the catalogue is ours
    return command


@click.group(
    cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=_EPILOG
)
@click.version_option(serai.__version__, prog_name="serai")
def cli() -> None:
    """Deploy models, and know how they are.

    \b
    The first model: `serai up` in one terminal,
                     `serai deploy FOLDER` in another.
    """


def main() -> None:
    """Run the command line of this process."""
    cli(prog_name="serai")
