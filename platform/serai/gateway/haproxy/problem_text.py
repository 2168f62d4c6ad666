"""The gateway's own answers in HAProxy's words. Pure."""

from __future__ import annotations

import json

from serai.gateway.problems import MIME_TYPE, phrase

from .state import CALLER_IDLE_S

# What HAProxy finds wrong by itself, by status.
ERRORS = {
    400: ("malformed", "the request cannot be read: its head is not HTTP/1.1, or too long", ""),
    408: ("timeout-request", "the head of the request did not come within 10 s", ""),
    500: ("internal", "the gateway met a fault of its own", ""),
    502: ("replica-failed", "the replica ended the connection without an answer that is HTTP", ""),
    503: ("not-ready", "no replica takes requests, and the part of the gateway that holds them is starting", "2"),
    504: (
        "timeout-first-byte",
        f"the model did not begin to answer within {CALLER_IDLE_S:g} s (timeouts.first_byte)",
        "",
    ),
}


def make_errors() -> list[str]:
    """Return the lines that make HAProxy's own errors problem documents.

    What it cannot read at all it answers with a page of its own, which no configuration changes.
    """
    return [
        f"http-error status {status} {_content(status, code, detail, {'Retry-After': after} if after else {})}"
        for status, (code, detail, after) in ERRORS.items()
    ]


def make_return(
    status: int, code: str, detail: str, condition: str, headers: dict[str, str] | None = None, is_format: bool = False
) -> str:
    """Return the rule that answers with a problem under `condition`; its texts may be formats, as for logs."""
    content = _content(status, code, detail, headers or {}, "lf-string" if is_format else "string")
    return f"http-request return status {status} {content} {condition}"


def _content(status: int, code: str, detail: str, headers: dict[str, str], kind: str = "string") -> str:
    document = {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail, "code": code}
    more = "".join(f" hdr {name} {_quote(value)}" for name, value in headers.items())
    return f"content-type {MIME_TYPE}{more} {kind} {_quote(json.dumps(document))}"


def _quote(text: str) -> str:
    """Return one word of a configuration: nothing in single quotes means anything."""
    return "'" + text.replace("'", "\\u0027") + "'"
