"""The plugin `prometheus`: a sink that adds figures up, and the page that tells them."""

from __future__ import annotations

from serai.plugin import DeploymentChange, Exposition, Sink, hookimpl

from .figures import Figures
from .page import PrometheusPage


class PrometheusPlugin:
    """One object for each server: the page tells what the sink has taken."""

    def __init__(self) -> None:
        self._figures = Figures()

    @hookimpl
    def serai_register_sink(self) -> Sink:
        return self._figures

    @hookimpl
    def serai_register_exposition(self) -> Exposition:
        return PrometheusPage(self._figures)

    @hookimpl
    def serai_deployment_changed(self, change: DeploymentChange) -> None:
        if change.event.kind == "deployment.deleted":
            self._figures.forget(change.event.deployment)
