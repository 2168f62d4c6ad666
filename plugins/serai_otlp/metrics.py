"""Requests as metrics, by the semantic conventions for HTTP servers where they have a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from serai.domain import attributes as names
from serai.domain.window import Clock, SeriesKey

from .settings import Temporality
from .tally import BOUNDS_S, Tally
from .totals import Tallies
from .wire import SCOPE, Attributes, make_attributes, to_ns

_DURATIONS = {
    Clock.TOTAL: ("http.server.request.duration", "From the first byte of a request to the last of its answer."),
    Clock.FIRST_BYTE: (
        "serai.request.first_byte.duration",
        "From the first byte of a request to the first of its answer.",
    ),
    Clock.QUEUE: ("serai.request.queue.duration", "Waiting for a replica at the gateway."),
}
_SUMS: tuple[tuple[str, str, str, Callable[[Tally], int]], ...] = (
    ("serai.requests", "{request}", "Requests that were answered or given up.", lambda tally: tally.count),
    ("serai.request.bytes", "By", "Bodies of requests.", lambda tally: tally.bytes_in),
    ("serai.response.bytes", "By", "Bodies of answers.", lambda tally: tally.bytes_out),
)
_TEMPORALITIES = {
    Temporality.CUMULATIVE: AggregationTemporality.CUMULATIVE,
    Temporality.DELTA: AggregationTemporality.DELTA,
}


def pack(resource: Resource, metrics: Sequence[Metric]) -> ExportMetricsServiceRequest:
    """Return the message with these metrics."""
    scope = ScopeMetrics(SCOPE, metrics, schema_url="")
    return encode_metrics(MetricsData([ResourceMetrics(resource, [scope], schema_url="")]))


def make_request_metrics(told: Tallies, temporality: Temporality, now: float) -> list[Metric]:
    """Return the metrics that say at `now` (epoch seconds) what `told` does."""
    way = _TEMPORALITIES[temporality]
    return [*_make_durations(told, way, now), *_make_sums(told, way, now)]


def describe_replica(deployment: str, version: int, replica: str) -> dict[str, str | int]:
    return {names.DEPLOYMENT: deployment, names.VERSION: version, names.REPLICA: replica}


def _make_durations(told: Tallies, way: AggregationTemporality, now: float) -> Iterator[Metric]:
    for clock, (name, about) in _DURATIONS.items():
        points = [_make_point(key, tally, now) for key, tally in told.items() if key.clock is clock]
        if points:
            yield Metric(name, about, "s", Histogram(points, way))


def _make_point(key: SeriesKey, tally: Tally, now: float) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=_describe(key),
        start_time_unix_nano=to_ns(tally.began_at),
        time_unix_nano=to_ns(max(now, tally.last_at)),
        count=tally.count,
        sum=tally.sum_s,
        min=tally.min_s,
        max=tally.max_s,
        bucket_counts=tally.buckets,
        explicit_bounds=BOUNDS_S,
    )


def _make_sums(told: Mapping[SeriesKey, Tally], way: AggregationTemporality, now: float) -> Iterator[Metric]:
    total = {key: tally for key, tally in told.items() if key.clock is Clock.TOTAL}
    for name, unit, about, read in _SUMS if total else ():
        points = [
            NumberDataPoint(
                attributes=_describe(key),
                start_time_unix_nano=to_ns(tally.began_at),
                time_unix_nano=to_ns(max(now, tally.last_at)),
                value=read(tally),
            )
            for key, tally in total.items()
        ]
        yield Metric(name, about, unit, Sum(points, way, is_monotonic=True))


def _describe(key: SeriesKey) -> Attributes:
    """Return a point's attributes. Of a status its class is known alone, and it is an error's type where it is one."""
    replica = describe_replica(key.deployment, key.version, key.replica)
    failed = key.status if key.status.startswith("5") else None
    return make_attributes({**replica, names.STATUS_CLASS: key.status, names.ERROR_TYPE: failed})
