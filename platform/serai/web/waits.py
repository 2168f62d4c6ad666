"""Blocking reads of topics: `?index=N&wait=30s` and the header X-Serai-Index."""

from __future__ import annotations

from collections.abc import Callable

from flask import request

from serai.domain.quantity import parse_duration

from .endpoint import Call
from .shapes.queries import WaitQuery

INDEX_HEADER = "X-Serai-Index"


def wait_for_change(call: Call, topic: str, query: WaitQuery) -> dict[str, str]:
    """Return the header with the topic's index, once it is another than the caller's or the caller has waited enough.

    Read what is to be answered after this: it may be newer than the index, never older.
    """
    changes, known = call.core.changes, query.index
    if known is None:
        return {INDEX_HEADER: str(changes.index(topic))}
    index = call.waiting.read(
        lambda timeout_s: changes.wait(topic, known, timeout_s), lambda now: now != known, wait_s(query), is_gone()
    )
    return {INDEX_HEADER: str(index)}


def wait_s(query: WaitQuery) -> float:
    return parse_duration(query.wait, "wait") if query.wait else 0.0


def is_gone() -> Callable[[], bool]:
    """Return what tells, from now on, whether the caller of the current request has hung up."""
    disconnected = request.environ.get("waitress.client_disconnected")
    return disconnected if callable(disconnected) else lambda: False
