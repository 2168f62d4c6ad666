"""Commands that plugins add (`serai_register_command`). Loading plugins is slow: only for an unknown name."""

from __future__ import annotations

import os

import click

from serai.domain.errors import PluginError


def load_plugin_commands() -> dict[str, click.Command]:
    """Return the commands of the configured plugins by their names. Raise PluginError for what is no command."""
    from serai.config import load_configuration
    from serai.plugin.registry import load_plugins

    plugins = load_plugins(load_configuration(None, os.environ).plugins)
    found: dict[str, click.Command] = {}
    for plugin, command in plugins.commands().items():
        if not isinstance(command, click.Command) or not command.name:
            raise PluginError(f"the plugin {plugin!r} registers {command!r}, which is no click command with a name")
        found[command.name] = command
    return found
