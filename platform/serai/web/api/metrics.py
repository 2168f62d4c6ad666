"""Figures of requests."""

from __future__ import annotations

from datetime import timedelta

from serai.domain.quantity import parse_duration
from serai.plugin.identity import Permission
from serai.store.metrics import dump_metrics, load_requests
from serai.web.endpoint import Answer, Call, Resource
from serai.web.instants import parse_when
from serai.web.shapes.metrics import RequestsAnswer
from serai.web.shapes.queries import NamePath, RequestsQuery

resource = Resource("metrics", "Counts and times of requests.")
_DEFAULT_RANGE = timedelta(hours=1)


@resource.on("GET", "/deployments/<name>/metrics/requests", Permission.READ, {200: RequestsAnswer}, refuses=(404,))
def read_requests(call: Call, path: NamePath, query: RequestsQuery) -> Answer:
    """Count and time the requests of a range [from, to), altogether and in buckets.

    Counts, averages and maxima are exact; percentiles come from digests. Empty buckets are there, with count 0 and
    null times.
    """
    call.core.cluster.view(path.name)
    now = call.core.clock()
    to = parse_when(query.to, now, "to") if query.to else now
    start = parse_when(query.from_, now, "from") if query.from_ else to - _DEFAULT_RANGE
    interval_s = int(query.interval) if query.interval.isdigit() else int(parse_duration(query.interval, "interval"))
    found = load_requests(
        call.core.metrics, path.name, start, to, interval_s, query.version, query.replica, query.status
    )
    return Answer(dump_metrics(found))
