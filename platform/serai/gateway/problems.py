"""The answers of the gateway itself: RFC 9457 problem documents with stable codes.

| status | code | when |
|---|---|---|
| 400 | malformed, bad-version, bad-body | the request cannot be read, no number of a version, a body that breaks off |
| 400 | bad-wait | X-Serai-Wait is no time to wait |
| 403 | origin-not-allowed, method-not-allowed, header-not-allowed | a browser asks if a page may call: it may not |
| 408 | timeout-request | the head did not come in time (HAProxy engine; the other one closes the connection) |
| 400 | two-keys | two different keys were sent |
| 401, 403 | unauthenticated, forbidden | no valid key; a key of another deployment |
| 404 | unknown-deployment, version-not-running | nothing is routed under this name, or the version has no replica |
| 429 | rate-limited | `limits.per_key` or `limits.per_client` is reached, or many wrong keys came |
| 502 | replica-unreachable, replica-failed | no replica took the request; it ended without answering |
| 503 | not-ready, idle, stopped, shutting-down, error | no replica, and the request is not held |
| 503 | held-too-long, hold-full | the request was held, or could not be |
| 503 | queue-full, queue-timeout | every replica is busy: too many wait already, or it waited too long |
| 503 | keys-outdated | the gateway has been without its server for longer than keys are gone by |
| 503 | access-changed | keys were taken away while it was held, and its own was not at hand to be checked again |
| 504 | timeout-connect, timeout-first-byte, timeout-idle, timeout-total | one of the four limits passed |
| 500 | internal | a fault of the gateway |

What cannot be read as HTTP at all HAProxy answers with a page of its own: 400 and text/html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from serai.domain.traffic import Limits

MIME_TYPE = "application/problem+json"

# The states of a version under which a request without a replica is refused; any other is `not-ready`. A version
# that is said to be running and has no replica is scaled to zero.
_STATE_CODES = {"stopped": "stopped", "shutting_down": "shutting-down", "error": "error", "running": "idle"}


class Problem(Exception):
    """The request ends with this answer. `headers` are added to it."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the problem document."""
        title = phrase(self.status)
        document = {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return json.dumps(document).encode() + b"\n"


def phrase(status: int) -> str:
    """Return the reason phrase of a status, or "" for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def make_unavailable(code: str, detail: str, retry_after_s: int = 2) -> Problem:
    return Problem(503, code, detail, {"Retry-After": str(retry_after_s)})


def make_not_ready(deployment: str, state: str, reason: str) -> Problem:
    """Return the answer to a request that found no replica and is not held."""
    said = f"{deployment} has no replica that is ready; it is {state.replace('_', ' ') or 'not started'}"
    return make_unavailable(_STATE_CODES.get(state, "not-ready"), f"{said}: {reason}" if reason else said)


def make_held_too_long(deployment: str, hold_s: float, why: str) -> Problem:
    said = f"{deployment} had no replica within {hold_s:g} s"
    return make_unavailable("held-too-long", f"{said}: {why}" if why else said)


def make_queue_full(deployment: str, replicas: int, limits: Limits) -> Problem:
    detail = (
        f"every replica of {deployment} is busy (limits.concurrency {limits.concurrency}), and as many requests wait"
        f" as may ({limits.queue} for each of {replicas}; limits.queue)"
    )
    return make_unavailable("queue-full", detail, 1)


def make_queue_timeout(deployment: str, limits: Limits) -> Problem:
    detail = (
        f"no replica of {deployment} had a place in time: callers wait {limits.queue_s:g} s (limits.queue_timeout),"
        " or less where X-Serai-Wait says so"
    )
    return make_unavailable("queue-timeout", detail, 1)


def make_unauthenticated(detail: str) -> Problem:
    return Problem(401, "unauthenticated", detail, {"WWW-Authenticate": 'Bearer realm="serai"'})


def make_unknown() -> Problem:
    """Return the answer for a deployment that is not routed; which ones are is nobody's business."""
    return Problem(404, "unknown-deployment", "no deployment answers here; the path begins with /<deployment>/")


def make_not_running(deployment: str, version: int | None) -> Problem:
    detail = f"version {version} of {deployment} has no replica; leave X-Serai-Version out for the current one"
    return Problem(404, "version-not-running", detail)


def read_version(header: str | None) -> int | None:
    """Return the version that a caller insists on with X-Serai-Version, None if any will do; raise Problem."""
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) <= 10):
        raise Problem(400, "bad-version", f"X-Serai-Version: {header[:40]!r} is not the number of a version")
    return int(header)
