"""A finished request as a gateway saw it, in as much detail as a span of it needs, and its JSON form."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .spec_text import JsonObject

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
"""Those that spans are named by: a caller may invent others, and names must be few."""
PATH_LIMIT = 512
"""Longer paths are cut, so that a span stays small."""


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """`started_at` in epoch seconds; a clock that never ran is None. Ids in lower-case hexadecimal.

    `path` is without its query, which may hold secrets, and is cut at `PATH_LIMIT`. `status` is what the caller was
    told. `error`: the code of the reason why not, or why it broke off. `parent_id` "": the trace begins here. Sizes
    are of bodies. `version` 0 and `replica` "": it reached none. What is not known is "".
    """

    deployment: str
    version: int
    replica: str
    method: str
    path: str
    status: int
    started_at: float
    total_s: float
    trace_id: str
    span_id: str
    parent_id: str = ""
    first_byte_s: float | None = None
    queue_s: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    error: str = ""
    scheme: str = ""
    protocol: str = ""
    key_id: str = ""


def dump_finished(request: FinishedRequest) -> JsonObject:
    """Return what `FinishedRequest(**values)` takes back."""
    return asdict(request)
