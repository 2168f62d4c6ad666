"""The timeline: what happened, newest first, or followed as it happens."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from serai.plugin.identity import Permission
from serai.store import events
from serai.web.dump import dump_event
from serai.web.endpoint import Answer, Call, Media, Resource
from serai.web.reading import is_set
from serai.web.shapes.answers import EventsAnswer
from serai.web.shapes.queries import EventsQuery, NamePath
from serai.web.sse import Message, last_event_id, make_stream
from serai.web.waits import wait_for_change

resource = Resource("events", "What happened to deployments, and who did it.")
_TICK_S = 1.0


@resource.on(
    "GET", "/events", Permission.READ, {200: EventsAnswer}, refuses=(503,), media=Media.EVENTS, waits=True
)  # fmt: skip
def list_events(call: Call, query: EventsQuery) -> Answer | Response:
    """List the newest events of all deployments, or follow them."""
    return _answer(call, None, query)


@resource.on(
    "GET", "/deployments/<name>/events", Permission.READ, {200: EventsAnswer},
    refuses=(503,), media=Media.EVENTS, waits=True,
)  # fmt: skip
def list_deployment_events(call: Call, path: NamePath, query: EventsQuery) -> Answer | Response:
    """List the newest events of one deployment, or follow them; of a deleted one, too."""
    return _answer(call, path.name, query)


def _answer(call: Call, name: str | None, query: EventsQuery) -> Answer | Response:
    if is_set(query.follow):
        return make_stream(call, _follow(call, name, query.actor, _find_start(call, query)))
    headers = wait_for_change(call, name or "", query)
    found = events.list_events(call.core.db, name, query.after or 0, query.limit, query.actor)
    return Answer([dump_event(event) for event in found], headers=headers)


def _find_start(call: Call, query: EventsQuery) -> int:
    """Return the event to begin after: where the caller was cut off, else what it asks for, else now."""
    seen = last_event_id()
    if seen is not None and seen.isascii() and seen.isdigit() and len(seen) < 17:
        return int(seen)
    return events.last_event_id(call.core.db) if query.after is None else query.after


def _follow(call: Call, name: str | None, actor: str | None, after: int) -> Iterator[Message | None]:
    topic, changes = name or "", call.core.changes
    index = changes.index(topic)
    while True:
        fresh = events.events_after(call.core.db, after)
        for event in fresh:
            after = event.id
            if name in {None, event.deployment} and actor in {None, event.actor}:
                yield Message(dump_event(event), str(event.id), event.kind)
        yield None
        index = changes.wait(topic, index, _TICK_S)
