"""The document at `/metrics`: Prometheus' text, or OpenMetrics where the caller prefers it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serai.plugin import Exposition, VersionFacts

from .families import make_families
from .figures import Figures


class PrometheusPage(Exposition):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def render(self, versions: Sequence[VersionFacts], accept: str, now: datetime) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        # A registry for each scrape: two at once must not see each other's versions.
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Moment(self._figures, versions, now))
        return encode(registry), content_type


class _Moment(Collector):
    def __init__(self, figures: Figures, versions: Sequence[VersionFacts], now: datetime) -> None:
        self._figures, self._versions, self._now = figures, versions, now

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: nobody else is in the registry, and the figures are collected once."""
        return []

    def collect(self) -> Iterator[Metric]:
        return make_families(self._figures, self._versions, self._now)
