"""The logs of a version."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from serai.domain.log_filter import LogFilter
from serai.domain.spec_text import JsonObject
from serai.plugin.identity import Permission
from serai.reconcile.log_book import ReplicaLog
from serai.web.dump import dump_instant, dump_line
from serai.web.endpoint import Answer, Call, Media, Resource
from serai.web.instants import parse_when
from serai.web.log_feed import LogFeed, PlacedLine, find_version, take_lines
from serai.web.log_position import decode_position
from serai.web.reading import is_set
from serai.web.shapes.answers import LogsAnswer
from serai.web.shapes.logs import ReplicaLogsAnswer
from serai.web.shapes.queries import LogsQuery, VersionPath
from serai.web.sse import END, Message, last_event_id, make_stream

resource = Resource("logs", "What replicas wrote, also those that have ended.")
_PAUSE_S = 0.25


@resource.on(
    "GET", "/deployments/<name>/versions/<int:number>/logs/replicas", Permission.READ, {200: ReplicaLogsAnswer},
    refuses=(404,),
)  # fmt: skip
def list_replica_logs(call: Call, path: VersionPath) -> Answer:
    """List the replicas of a version that there is a log of: live ones, those that have ended, and those long gone.

    Give one as `replica` to read its log alone.
    """
    view = find_version(call.core.cluster, path.name, path.number)
    return Answer({"replicas": [_dump_replica_log(log) for log in call.core.logs.list_replicas(view)]})


@resource.on(
    "GET", "/deployments/<name>/versions/<int:number>/logs", Permission.READ, {200: LogsAnswer},
    refuses=(404, 501, 502, 503), media=Media.EVENTS,
)  # fmt: skip
def read_logs(call: Call, path: VersionPath, query: LogsQuery) -> Answer | Response:
    """Read the lines of a version's replicas, merged in the order of time, or follow them.

    With `follow=1` the lines come as events whose id resumes behind them (`Last-Event-ID`, or `after`); an event
    `end` says that the version has ended and everything is said.
    """
    find_version(call.core.cluster, path.name, path.number)
    if is_set(query.follow):
        feed = _make_feed(call, path, query, last_event_id() or query.after)
        return make_stream(call, _follow(call, feed, _first_lines(feed, query)))
    feed = _make_feed(call, path, query, query.after)
    lines = take_lines(feed.read(query.tail), query.limit, query.tail)
    dumped = [dump_line(placed.line, placed.position) for placed in lines]
    return Answer({"lines": dumped, "next": _next(feed, lines, query)})


def _dump_replica_log(log: ReplicaLog) -> JsonObject:
    kept = log.kept
    return {
        "replica": log.replica,
        "presence": log.presence.value,
        "size": kept.size_bytes if kept else None,
        "last_at": dump_instant(kept.last_at) if kept else None,
    }


def _make_feed(call: Call, path: VersionPath, query: LogsQuery, after: str | None) -> LogFeed:
    since = parse_when(query.since, call.core.clock(), "since") if query.since else None
    until = parse_when(query.until, call.core.clock(), "until") if query.until else None
    wanted = LogFilter(query.replica, query.stream, since, until, query.grep)
    return LogFeed(call.core.cluster, call.core.logs, path.name, path.number, wanted, decode_position(after))


def _next(feed: LogFeed, lines: list[PlacedLine], query: LogsQuery) -> str | None:
    """Return where to go on: behind the last line of a full page, else behind everything that was looked at."""
    if query.tail is None and len(lines) == query.limit:
        return lines[-1].position
    return feed.position if feed.cursors else None


def _first_lines(feed: LogFeed, query: LogsQuery) -> Iterator[PlacedLine]:
    """Return the kept lines; what is wrong with the question is raised here, before the stream has begun."""
    if query.tail is not None:
        return iter(take_lines(feed.read(query.tail), query.tail, query.tail))
    lines = feed.read()
    first = next(lines, None)
    return iter(()) if first is None else _chain(first, lines)


def _chain(first: PlacedLine, rest: Iterator[PlacedLine]) -> Iterator[PlacedLine]:
    yield first
    yield from rest


def _follow(call: Call, feed: LogFeed, lines: Iterator[PlacedLine]) -> Iterator[Message | None]:
    while True:
        has_ended = feed.has_ended()  # looked up before reading: what is said until then is read
        for placed in lines:
            yield Message(dump_line(placed.line, placed.position), placed.position)
        if has_ended:
            yield END
            return
        yield None
        call.waiting.closing.wait(_PAUSE_S)
        lines = feed.read()
