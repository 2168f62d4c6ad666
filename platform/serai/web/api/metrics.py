"""Figures of requests and of what replicas use."""

from __future__ import annotations

from datetime import datetime, timedelta

from serai.domain.quantity import parse_duration
from serai.plugin.identity import Permission
from serai.store.metrics import dump_metrics, load_requests
from serai.store.usage import dump_system, load_usage
from serai.web.endpoint import Answer, Call, Resource
from serai.web.instants import parse_when
from serai.web.shapes.metrics import RequestsAnswer, SystemAnswer
from serai.web.shapes.queries import NamePath, RequestsQuery, SystemQuery

resource = Resource("metrics", "Counts and times of requests; what replicas use.")
_DEFAULT_RANGE = timedelta(hours=1)


@resource.on("GET", "/deployments/<name>/metrics/requests", Permission.READ, {200: RequestsAnswer}, refuses=(404,))
def read_requests(call: Call, path: NamePath, query: RequestsQuery) -> Answer:
    """Count and time the requests of a range [from, to), altogether and in buckets.

    Counts, averages and maxima are exact; percentiles come from digests. Empty buckets are there, with count 0 and
    null times.
    """
    call.core.cluster.view(path.name)
    start, to = _read_range(call, query)
    found = load_requests(
        call.core.metrics, path.name, start, to, _read_interval(query), query.version, query.replica, query.status
    )
    return Answer(dump_metrics(found))


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


def _read_range(call: Call, query: RequestsQuery | SystemQuery) -> tuple[datetime, datetime]:
    now = call.core.clock()
    to = parse_when(query.to, now, "to") if query.to else now
    return parse_when(query.from_, now, "from") if query.from_ else to - _DEFAULT_RANGE, to


def _read_interval(query: RequestsQuery | SystemQuery) -> int:
    return int(query.interval) if query.interval.isdigit() else int(parse_duration(query.interval, "interval"))
