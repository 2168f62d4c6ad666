"""Commands that plugins add (`serai_register_command`). Loading plugins is slow: only for a name that is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from serai.domain.errors import PluginError


def load_plugin_commands() -> dict[str, click.Command]:
    """Return the commands of the configured plugins by their names. Raise PluginError for what is no command."""
    from serai.config import load_configuration

    return _load(load_configuration(None, os.environ).plugins)


def load_bundled_command(plugin: str) -> click.Command:
    """Return the command of a plugin that Serai brings along, by its entry point; no other plugin is loaded."""
    (command,) = _load([plugin]).values()
    return command


def _load(names: Sequence[str]) -> dict[str, click.Command]:
    from serai.plugin.registry import load_plugins

    found: dict[str, click.Command] = {}
    for plugin, command in load_plugins(names).commands().items():
        if not isinstance(command, click.Command) or not command.name:
            raise PluginError(f"the plugin {plugin!r} registers {command!r}, which is no click command with a name")
        found[command.name] = command
    return found
