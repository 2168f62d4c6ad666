"""Figures of requests and of what replicas use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from serai.domain.errors import NotFound
from serai.domain.quantity import parse_duration
from serai.plugin.identity import Permission
from serai.store.metrics import dump_metrics, load_requests
from serai.store.metrics_compared import load_comparison
from serai.store.metrics_comparison import dump_comparison
from serai.store.usage import dump_system, load_usage
from serai.web.endpoint import Answer, Call, Resource
from serai.web.instants import parse_when
from serai.web.shapes.metrics import ComparisonAnswer, RequestsAnswer, SystemAnswer
from serai.web.shapes.queries import CompareQuery, NamePath, RequestsQuery, SystemQuery

resource = Resource("metrics", "Counts and times of requests; what replicas use.")
_DEFAULT_RANGE = timedelta(hours=1)
_Query: TypeAlias = RequestsQuery | SystemQuery | CompareQuery


@resource.on("GET", "/deployments/<name>/metrics/requests", Permission.READ, {200: RequestsAnswer}, refuses=(404,))
def read_requests(call: Call, path: NamePath, query: RequestsQuery) -> Answer:
    """Count and time the requests of a range [from, to), altogether and in buckets.

    Counts, bytes, averages and maxima are exact; percentiles come from digests. Empty buckets are there, with count 0
    and null times.
    """
    call.core.cluster.view(path.name)
    start, to = _read_range(call, query)
    found = load_requests(
        call.core.metrics, path.name, start, to, _read_interval(query), query.version, query.replica, query.status
    )
    return Answer(dump_metrics(found))


@resource.on("GET", "/deployments/<name>/metrics/compare", Permission.READ, {200: ComparisonAnswer}, refuses=(404,))
def compare_versions(call: Call, path: NamePath, query: CompareQuery) -> Answer:
    """Compare two versions over the same clock: counts, errors and times of each, in buckets and in total.

    Both are answered in buckets of the same length; `difference` is the second version less the first.
    """
    view = call.core.cluster.view(path.name)
    first, second = map(int, query.versions.split(","))
    for number in (first, second):
        if view.version(number) is None:
            raise NotFound(f"{path.name} has no version {number}", "version-not-found")
    start, to = _read_range(call, query)
    asked = (path.name, (first, second), start, to, _read_interval(query), query.align)
    return Answer(dump_comparison(load_comparison(call.core.metrics, *asked), query.clock))


@resource.on("GET", "/deployments/<name>/metrics/system", Permission.READ, {200: SystemAnswer}, refuses=(404,))
def read_system(call: Call, path: NamePath, query: SystemQuery) -> Answer:
    """Tell what each replica used over a range [from, to): CPU, memory, disk and each GPU; how often it was restarted.

    A sample is taken every 10 s; an interval holds the average and the greatest of its samples. Where nothing was
    measured there is null, never 0.
    """
    call.core.cluster.view(path.name)
    start, to = _read_range(call, query)
    found = load_usage(call.core.metrics, path.name, start, to, _read_interval(query), query.version, query.replica)
    return Answer(dump_system(found))


def _read_range(call: Call, query: _Query) -> tuple[datetime, datetime]:
    now = call.core.clock()
    to = parse_when(query.to, now, "to") if query.to else now
    return parse_when(query.from_, now, "from") if query.from_ else to - _DEFAULT_RANGE, to


def _read_interval(query: _Query) -> int:
    return int(query.interval) if query.interval.isdigit() else int(parse_duration(query.interval, "interval"))
