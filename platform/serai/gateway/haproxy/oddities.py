"""What few requests have: headers that matter, and what the asyncio engine does exactly and HAProxy does not. Pure.

It is found out by the names of the headers, all at once, which HAProxy remembers. Most requests have none that matters.
"""

from __future__ import annotations

from .headers import DROPPED, SESSION, names_of, twice
from .names import HANDED
from .rows import KEY_HEADER, is_letter
from .rules import measure_request

IS_HANDED = "{ var(txn.be) -m found }"
_ID = "[A-Za-z0-9._:/+=@-]{1,128}"
_TRACE, _SPAN = "(?!0{32})[0-9a-f]{32}", "(?!0{16})[0-9a-f]{16}"
_PARENT = f"^(00-{_TRACE}-{_SPAN}-[0-9a-f]{{2}}|(?!ff|00)[0-9a-f]{{2}}-{_TRACE}-{_SPAN}-[0-9a-f]{{2}}(-.*)?)$"

_NOMINATING = (
    "{ req.fhdr(connection) -m reg -i (^|,)[[:space:]]*(?!(close|keep-alive|upgrade)[[:space:]]*(,|$))[^,[:space:]] }"
)
# Of the headers that are looked at where one of them is there at all.
_ODD = (
    "{ req.fhdr(x-serai-version) -m found }",
    "{ req.fhdr(x-serai-wait) -m found }",
    "{ req.fhdr(upgrade) -m reg -i ^(?!websocket$) }",
    f"{{ req.fhdr(cookie) -m sub {SESSION} }}",
)
_ODDLY_NAMED = ("upgrade", "cookie", "tracestate")
# What there should be one of; several are for the asyncio engine, too.
_SEVERAL = [twice(name, name) for name in ("traceparent", "x-request-id", "authorization")]
# So are keys in more than one place, where a deployment names a header for them.
_KEYS = [twice(KEY_HEADER, f"({KEY_HEADER}|authorization)"), twice("authorization", KEY_HEADER)]


def hand_over_odd() -> list[str]:
    """Turn requests to the asyncio engine that it is told at first sight; end here for those without odd headers.

    Only those that may have a body are measured.
    """
    rare = "|".join((names_of((*DROPPED, *_ODDLY_NAMED)), *_SEVERAL, *_KEYS))
    ordinary = f"!{{ req.hdr_names -m reg {rare} }}"
    return [
        f"http-request set-var(txn.be) str({HANDED}) if {{ req.ver -m str 1.0 }} or {_NOMINATING}",
        f"http-request allow if {{ internal.htx.has_eom }} !{{ req.body_len gt 0 }} {ordinary}",
        *measure_request(),
        f"http-request allow if {ordinary}",
    ]


def settle_headers() -> list[str]:
    """Turn what is odd to the asyncio engine; of the others, join the trace, and take off what is not for the model.

    Nothing is taken off what is handed over.
    """
    named = f"{{ req.hdr_names -m reg {names_of(DROPPED)} }}"
    two_keys = f"{is_letter('x')} {{ req.hdr_names -m reg {'|'.join(_KEYS)} }}"
    odd = " or ".join((f"{{ req.hdr_names -m reg {'|'.join(_SEVERAL)} }}", *_ODD, two_keys))
    return [
        f"http-request set-var(txn.be) str({HANDED}) if {odd}",
        f"http-request allow if {IS_HANDED} or {{ var(txn.row) -m beg {HANDED}: }}",
        *_join_trace(),
        f"http-request set-var(txn.rid) req.fhdr(x-request-id) if {{ req.fhdr(x-request-id) -m reg ^{_ID}$ }}",
        "http-request del-header tracestate unless { var(txn.parent) -m found }",
        f"http-request del-header ^({'|'.join(DROPPED)})$ -m reg if {named}",
    ]


def _join_trace() -> list[str]:
    """Where the caller's trace is one, take it, its flags and `parent`: the span stays ours."""
    header, is_joined = "req.fhdr(traceparent)", "{ var(txn.parent) -m found }"
    return [
        f"http-request set-var(txn.parent) {header},bytes(36,16) if {{ {header} -m reg {_PARENT} }}",
        f"http-request set-var(txn.trace) {header},bytes(3,32) if {is_joined}",
        f"http-request set-var(txn.flags) {header},bytes(53,2) if {is_joined}",
    ]
