"""The plugin `otlp`: a sink that speaks OTLP over HTTP."""

from __future__ import annotations

import logging

from serai.plugin import DeploymentChange, PluginContext, Sink, hookimpl

from .settings import load_settings
from .sink import OtlpSink

log = logging.getLogger(__name__)


class OtlpPlugin:
    """One object for each server. The receiver need not be there at the start."""

    def __init__(self) -> None:
        self._sink: OtlpSink | None = None

    @hookimpl
    def serai_register_sink(self, context: PluginContext) -> Sink:
        settings = load_settings(context.settings)
        if settings.is_in_the_open:
            log.warning("the headers for %s travel without TLS; give an address with https://", settings.endpoint)
        self._sink = OtlpSink(settings, context.server_url)
        return self._sink

    @hookimpl
    def serai_deployment_changed(self, change: DeploymentChange) -> None:
        if self._sink is not None and change.event.kind == "deployment.deleted":
            self._sink.forget(change.event.deployment)
