"""What is plugged in."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.web.dump import dump_plugin
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.answers import PluginsAnswer

resource = Resource("plugins", "The plugins of this server.")


@resource.on("GET", "/plugins", Permission.READ, {200: PluginsAnswer})
def list_plugins(call: Call) -> Answer:
    """List the plugins, and how they are."""
    sinks = call.core.sink_states()
    return Answer([dump_plugin(plugin, sinks) for plugin in call.core.plugins.describe()])
