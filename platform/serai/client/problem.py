"""Turn an error answer (RFC 9457 problem+json, or anything else a proxy may send) into the SeraiError it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from serai.domain.errors import (
    CapacityExceeded,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    NotSupported,
    PluginError,
    SchedulerError,
    SchedulerUnavailable,
    SeraiError,
    ServerUnavailable,
    TooManyTries,
    Unauthenticated,
    WakeTimeout,
)

_BY_STATUS: dict[int, type[SeraiError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    411: Invalid,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyTries,
    501: NotSupported,
    502: SchedulerError,
    503: CapacityExceeded,
    504: WakeTimeout,
}
# A code that belongs to one class alone says more than the status, which several share.
_BY_CODE: dict[str, type[SeraiError]] = {
    kind.default_code: kind for kind in (SchedulerUnavailable, SchedulerError, ServerUnavailable, PluginError)
}
_MAX_TEXT = 300


def make_error(response: httpx.Response) -> SeraiError:
    """Return the error that a read response (status 400 and more) tells of."""
    problem = _read_problem(response)
    if problem is None:
        return _make_foreign(response)
    code = str(problem.get("code") or "") or None
    message = str(problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}")
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(response.status_code, SeraiError)
    if kind is Invalid:
        line = problem.get("line")
        return Invalid(message, str(problem.get("field") or ""), code, line if isinstance(line, int) else None)
    if kind is CapacityExceeded:
        return CapacityExceeded(message, code, retry_after_s(response) or 2.0)
    if kind is TooManyTries:
        return TooManyTries(message, code, retry_after_s(response) or 60.0)
    return kind(message, code)


def is_problem(response: httpx.Response) -> bool:
    """Return True if the server itself answered with an error, rather than something in between."""
    kind = str(response.headers.get("content-type", ""))
    return kind.partition(";")[0].strip() == "application/problem+json"


def retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After; None where there is none (dates are not read)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _read_problem(response: httpx.Response) -> Mapping[str, Any] | None:
    if not is_problem(response):
        return None
    try:
        value = response.json()
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _make_foreign(response: httpx.Response) -> SeraiError:
    """Return an error for an answer that does not come from Serai: a proxy's page, another program on the port."""
    url = f"{response.request.method} {response.request.url.copy_with(query=None)}"
    text = " ".join(response.text.split())[:_MAX_TEXT] or response.reason_phrase
    status = response.status_code
    if status in {502, 503, 504}:
        return ServerUnavailable(f"{url} answered {status}: {text}")
    return _BY_STATUS.get(status, SeraiError)(f"{url} answered {status}, which Serai would not: {text}", "not-serai")
