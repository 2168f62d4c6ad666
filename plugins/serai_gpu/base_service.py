"""The services of every Nomad plugin: what it is, which options it takes, taking them; and go-plugin's own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from serai.domain.errors import SeraiError

from . import NAME, messages
from .config import GpuConfig, make_schema, read_config
from .wire import Service, stream, unary

log = logging.getLogger(__name__)

DEVICE_PLUGIN = 3
API_VERSION = "v0.1.0"
VERSION = "0.1.0"


class BaseService:
    """Hands the options, once they are read, to `configure`; what that raises is told to Nomad, which then stops."""

    def __init__(self, configure: Callable[[GpuConfig], None]) -> None:
        self._configure = configure

    def methods(self) -> Service:
        return Service(
            "hashicorp.nomad.plugins.base.proto.BasePlugin",
            {
                "PluginInfo": unary(self.info, "Empty"),
                "ConfigSchema": unary(self.schema, "Empty"),
                "SetConfig": unary(self.set_config, "SetConfigRequest"),
            },
        )

    def info(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.PluginInfoResponse(
            type=DEVICE_PLUGIN, plugin_api_versions=[API_VERSION], plugin_version=VERSION, name=NAME
        )

    def schema(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ConfigSchemaResponse(spec=make_schema())

    def set_config(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            self._configure(read_config(request.msgpack_config))
        except SeraiError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        return messages.Empty()


class GoPlugin:
    """Ends on request, without which every stop waits two seconds and kills; output is on stderr, never in a stream."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def methods(self) -> tuple[Service, ...]:
        return (
            Service("plugin.GRPCController", {"Shutdown": unary(self.shutdown, "Empty")}),
            Service("plugin.GRPCStdio", {"StreamStdio": stream(self.stdio, "Empty")}),
        )

    def shutdown(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._stopped.set()
        return messages.Empty()

    def stdio(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Send nothing for as long as the plugin runs: an end or an error would be logged by every agent."""
        ended = threading.Event()
        if context.add_callback(ended.set):
            while not (ended.wait(0.5) or self._stopped.is_set()):
                pass
        yield from ()
