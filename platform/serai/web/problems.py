"""Errors as RFC 9457 problem documents: the only place that knows HTTP statuses of SeraiErrors."""

from __future__ import annotations

import logging
import math
import secrets

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from serai.domain import errors
from serai.domain.spec_text import JsonObject

log = logging.getLogger(__name__)

MIME_TYPE = "application/problem+json"

STATUSES: dict[type[errors.SeraiError], int] = {
    errors.Invalid: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotSupported: 501,
    errors.CapacityExceeded: 503,
    errors.TooManyTries: 429,
    errors.WakeTimeout: 504,
    errors.SchedulerError: 502,
    errors.SchedulerUnavailable: 503,
    errors.ServerUnavailable: 503,
    errors.PluginError: 502,
}
# A few codes mean something narrower than their class; None among the classes can say it.
STATUSES_BY_CODE = {
    "disk-full": 507,
    "bundle-too-large": 413,
    "malformed": 400,
    "not-json": 415,
    "not-otlp": 415,
    "not-stored": 503,
    "too-large": 413,
    "database-busy": 503,
    "database-unreachable": 503,
    "sign-in-unavailable": 503,
}

# What werkzeug refuses before a handler is reached, by status: our code and our words.
_HTTP_PROBLEMS = {
    400: ("malformed", "the request cannot be read; check its headers and its body"),
    404: ("no-such-path", "nothing answers at this path; /openapi.json lists those there are"),
    405: ("method-not-allowed", "this path does not know this method; the header Allow names those it knows"),
    412: ("changed", "what is here is not what If-Match names; read it again"),
    413: ("too-large", "the body is larger than this path takes"),
    415: ("not-json", "the body has to be JSON: send Content-Type: application/json"),
    416: ("no-such-range", "the range lies outside of what is here; Content-Range says how long that is"),
}


def status_of(error: errors.SeraiError) -> int:
    """Return the HTTP status of an error: of its code, else of its class, else of the nearest class above."""
    if error.code in STATUSES_BY_CODE:
        return STATUSES_BY_CODE[error.code]
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def make_problem(status: int, code: str, detail: str, **more: object) -> Response:
    """Return a problem document; members of `more` that are None or empty are left out."""
    body: JsonObject = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
    }
    body |= {key: value for key, value in more.items() if value not in (None, "")}
    return Response(json.dumps(body) + "\n", status=status, mimetype=MIME_TYPE)


def answer_error(error: errors.SeraiError) -> Response:
    """Return the problem document of an error raised on purpose."""
    status = status_of(error)
    if status >= 500:
        log.warning("answered %d (%s): %s", status, error.code, error.message)
    field, line = getattr(error, "field", None), getattr(error, "line", None)
    response = make_problem(status, error.code, error.message, field=field, line=line)
    if isinstance(error, errors.CapacityExceeded | errors.TooManyTries):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="serai"'
    return response


def answer_http_error(error: HTTPException) -> Response:
    """Return the problem document of what the web framework refused; redirects pass as they are."""
    status = error.code or 500
    if status < 400:
        return Response(error.get_body(), status, dict(error.get_headers()))
    code, detail = _HTTP_PROBLEMS.get(status, ("refused", error.description or "the request was refused"))
    response = make_problem(status, code, detail)
    kept = {"Allow", "Retry-After", "Content-Range"}
    response.headers.extend([(name, value) for name, value in error.get_headers() if name in kept])
    return response


def answer_fault(error: Exception) -> Response:
    """Return 500 with an id under which the log has what happened; the caller learns nothing else."""
    fault = secrets.token_hex(4)
    log.error("fault %s", fault, exc_info=error)
    detail = f"the server met a fault of its own; its log has it under {fault}"
    return make_problem(500, "internal", detail, fault=fault)


def answer_problems(app: Flask) -> None:
    """Let `app` answer every error as a problem document."""
    app.register_error_handler(errors.SeraiError, answer_error)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(Exception, answer_fault)
