"""Where a trace can be looked at: the link to an external tracer, and which trace an answer of the gateway is of."""

from __future__ import annotations

import re
from collections.abc import Iterable

MARK = "{trace_id}"
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
Headers = Iterable[tuple[str, str]]


def make_link(trace_url: str, trace_id: str) -> str:
    """Return the address of a trace in the tracer of the setting `trace_url`, "" without one."""
    return trace_url.replace(MARK, trace_id)


def find_trace_id(sent: Headers, answered: Headers) -> str:
    """Return the trace of a request by its headers and its answer's, "" where they do not tell.

    The gateway joins the trace of the caller's traceparent, else it begins one and answers its id as X-Request-Id,
    unless the caller has named the request itself.
    """
    parents = _values(sent, "traceparent")
    parent = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if parent is not None and not (parents[0].startswith("00") and parent[2]):
        return parent[1]
    ids = [] if _values(sent, "x-request-id") else _values(answered, "x-request-id")
    return ids[0] if ids and _TRACE_ID.fullmatch(ids[0]) else ""


def _values(headers: Headers, name: str) -> list[str]:
    return [value.strip() for key, value in headers if key.lower() == name]
