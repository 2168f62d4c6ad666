"""The plugin `dev`: the command `serai dev`."""

from __future__ import annotations

import click

from serai.plugin import hookimpl


@hookimpl
def serai_register_command() -> click.Command:
    from .command import dev

    return dev
