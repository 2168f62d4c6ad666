"""The rules that every request goes by, and every answer. Pure.

Each costs a quarter of a microsecond and each look at a header as much again, so the rare is found out first: by the
names of the headers, all at once, which HAProxy remembers. Most requests have none that matters.
"""

from __future__ import annotations

from collections.abc import Iterable

from serai.domain.finished import PATH_LIMIT
from serai.gateway.headers import SESSION_COOKIE

from .names import HANDED, RESCUE
from .plan import ROWS

SESSION = SESSION_COOKIE.decode()
_ID = "[A-Za-z0-9._:/+=@-]{1,128}"
_TRACE, _SPAN = "(?!0{32})[0-9a-f]{32}", "(?!0{16})[0-9a-f]{16}"
_PARENT = f"^(00-{_TRACE}-{_SPAN}-[0-9a-f]{{2}}|(?!ff|00)[0-9a-f]{{2}}-{_TRACE}-{_SPAN}-[0-9a-f]{{2}}(-.*)?)$"
# What a span tells beside the record, of requests whose flags say that they are sampled. `url_enc` leaves no space.
_TOLD = (
    "http-request set-var-fmt(txn.span) %[method],%[ssl_fc,iif(https,http)],%[req.ver],"
    f"%[path,bytes(0,{PATH_LIMIT}),url_enc] if {{ var(txn.tp) -m end 1 3 5 7 9 b d f }}"
)
_COOKIES = 16  # of an answer that tries to set the session: as many of its others are kept

# Done exactly by the asyncio engine, and rare. By the header that tells:
_ODD = {
    "x-serai-version": "req.fhdr(x-serai-version) -m found",
    "x-serai-wait": "req.fhdr(x-serai-wait) -m found",
    "connection": "req.fhdr(connection) -m reg -i "
    "(^|,)[[:space:]]*(?!(close|keep-alive|upgrade)[[:space:]]*(,|$))[^,[:space:]]",
    "upgrade": "req.fhdr(upgrade) -m reg -i ^(?!websocket$)",
    "cookie": f"req.fhdr(cookie) -m sub {SESSION}",
}
# What there should be one of; several are for the asyncio engine, too.
_SINGLE = ("traceparent", "x-request-id", "authorization")

# Of connections, or told by the gateway alone: taken off what callers send, and off what models answer.
_DROPPED = (
    "keep-alive",
    "te",
    "trailer",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-forwarded-(for|host|prefix|proto)",
    "traceparent",
    "proxy-.*",  # -connection, -authenticate, -authorization
    "x-serai-.*",
)
_ANSWERS_DROPPED = ("x-serai-.*", "x-request-id", "keep-alive", "proxy-authenticate")


def measure_request() -> list[str]:
    """Set `hin` to the size of a head that more comes after, so that what HAProxy counts less this is the body.

    The mark at the end of chunks is counted when it comes; it is in what is at hand already or still to be taken off.
    So it is with most bodies in HTTP/2; the others count one byte less.
    """
    has_body = "{ var(txn.len) -m found }"
    to_come = f"{has_body} !{{ internal.htx.has_eom }}"
    marked = f"{to_come} {{ req.fhdr(transfer-encoding) -m found }} or {to_come} {{ fc_http_major 2 }}"
    bodily = "!{ internal.htx.has_eom } or { req.body_len gt 0 } or { req.fhdr(upgrade) -m found }"
    return [
        f"http-request set-var(txn.len) req.body_len if {bodily}",
        f"http-request set-var(txn.hin) internal.htx.data,sub(txn.len) if {has_body}",
        f"http-request set-var(txn.hin) var(txn.hin),add(1) if {marked}",
    ]


def measure_answer() -> list[str]:
    """Set `hout` to the size of an answer's head, as `hin` is of a request's."""
    marked = "!{ internal.htx.has_eom } { res.fhdr(transfer-encoding) -m found }"
    return [
        "http-response set-var(txn.len) res.body_len",
        "http-response set-var(txn.hout) internal.htx.data,sub(txn.len)",
        f"http-response set-var(txn.hout) var(txn.hout),add(1) if {marked}",
    ]


def find_row(domain: str) -> list[str]:
    """Set `row` and `dep`: by host where it names a deployment, else by the first segment of the path."""
    by_path = [
        "http-request set-var(txn.prefix) path,field(2,/) if !{ var(txn.row) -m found }",
        f"http-request set-var(txn.row) var(txn.prefix),map_str({ROWS}) if {{ var(txn.prefix) -m found }}",
        "http-request set-var(txn.dep) var(txn.prefix) if { var(txn.prefix) -m found }",
    ]
    if not domain:
        return by_path
    pattern = r"^[^.]+\." + domain.lower().replace(".", r"\.") + r"\.?$"
    return [
        f"acl ends_so req.fhdr(host),host_only -m end -i .{domain} .{domain}.",  # spares most the expression
        f"acl in_domain req.fhdr(host),host_only -m reg -i {pattern}",
        "http-request set-var(txn.dep) req.fhdr(host),field(1,.),lower if ends_so in_domain",
        f"http-request set-var(txn.row) var(txn.dep),map_str({ROWS}) if {{ var(txn.dep) -m found }}",
        *by_path,
    ]


def hand_over_odd() -> list[str]:
    """Turn requests to the asyncio engine that HAProxy does not carry exactly as it should."""
    several = "(^|,)(" + "|".join(f"{name},(.*,)?{name}" for name in _SINGLE) + ")(,|$)"
    unfit = f"{{ req.ver -m str 1.0 }} or {{ var(txn.names) -m reg {several} }}"
    odd = f"{{ var(txn.names) -m reg {_names_of(_ODD)} }}"
    return [
        "http-request set-var(txn.names) req.hdr_names",
        f"http-request set-var(txn.be) str({HANDED}) if {unfit}",
        *(f"http-request set-var(txn.be) str({HANDED}) if {odd} {{ {condition} }}" for condition in _ODD.values()),
    ]


def identify(share: float | None = None) -> list[str]:
    """Set the trace, and the id under which both sides find the request.

    One random id gives all three numbers: hashes of it, as far apart as random ones. `share` of the traces that begin
    here are sampled; with None nothing is kept of any and all are passed on as sampled.
    """
    joins = "{ var(txn.parent) -m found }"
    parent = "req.fhdr(traceparent)"
    trace, span = "%[var(txn.uuid),xxh64(1),hex,lower]%[var(txn.uuid),xxh64(2),hex,lower]", "xxh64(3),hex,lower"
    joined = f"00-%[{parent},bytes(3,32)]-%[var(txn.uuid),{span}]-%[{parent},bytes(53,2)]"
    return [
        "http-request set-var(txn.uuid) uuid(4)",
        f"http-request set-var(txn.parent) {parent},bytes(36,16) if {{ {parent} -m reg {_PARENT} }}",
        *(
            f"http-request set-var-fmt(txn.tp) 00-{trace}-%[var(txn.uuid),{span}]-{flags} if !{joins}{condition}"
            for flags, condition in _choose_flags(share)
        ),
        f"http-request set-var-fmt(txn.tp) {joined} if {joins}",
        f"http-request set-var(txn.rid) req.fhdr(x-request-id) if {{ req.fhdr(x-request-id) -m reg ^{_ID}$ }}",
        "http-request set-var(txn.rid) var(txn.tp),bytes(3,32) if !{ var(txn.rid) -m found }",
        *([] if share is None else [_TOLD]),
    ]


def _choose_flags(share: float | None) -> list[tuple[str, str]]:
    """Return the flags of traces that begin here, each with its condition; a later one stands."""
    parts = 10**6 if share is None else round(share * 10**6)
    drawn = [("01", f" {{ rand({10**6}) lt {parts} }}")] if 0 < parts < 10**6 else []
    return [("01" if parts >= 10**6 else "00", ""), *drawn]


def rewrite() -> list[str]:
    """Write what the model is told, and no more."""
    dropped = f"{{ var(txn.names) -m reg {_names_of((*_DROPPED, 'tracestate'))} }}"
    return [
        f"http-request del-header tracestate if {dropped} !{{ var(txn.parent) -m found }}",
        f"http-request del-header ^({'|'.join(_DROPPED)})$ -m reg if {dropped}",
        "http-request add-header traceparent %[var(txn.tp)]",
        "http-request add-header x-request-id %[var(txn.rid)]",
        "http-request add-header x-forwarded-for %[src]",
        "http-request add-header x-forwarded-proto %[ssl_fc,iif(https,http)]",
        "http-request add-header x-forwarded-host %[req.fhdr(host)]",
        "http-request add-header x-forwarded-prefix /%[var(txn.prefix)] if { var(txn.prefix) -m found }",
        "http-request set-uri %[pathq] unless { url_beg / }",
        "http-request set-path /%[path,field(3,/,0)] if { var(txn.prefix) -m found }",
        "http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }",
    ]


def answer() -> list[str]:
    """Write what the caller is told; what the asyncio engine answers is whole already."""
    session = f"res.fhdr(set-cookie) -m reg ^[[:space:]]*{SESSION}[[:space:]]*(=|;|$)"
    named = f"{{ res.hdr_names -m reg {_names_of(_ANSWERS_DROPPED)} }}"
    kept = [f"txn.cookie{number}" for number in range(1, _COOKIES + 1)]
    return [
        *measure_answer(),
        "http-response set-var(txn.ttfb) date(0,us),sub(txn.t0)",
        f"http-response allow if {{ srv_name -m str {RESCUE} }}",
        f"http-response del-header ^({'|'.join(_ANSWERS_DROPPED)})$ -m reg if {named}",
        "http-response add-header x-serai-version %[srv_name,field(1,.)]",
        "http-response add-header x-serai-replica %[srv_name,field(2,.,0)]",
        f"http-response allow unless {{ {session} }}",
        *(f"http-response set-var({name}) res.fhdr(set-cookie,{number})" for number, name in enumerate(kept, 1)),
        "http-response del-header set-cookie",
        *(
            f"http-response add-header set-cookie %[var({name})]"
            f" if {{ var({name}) -m found }} !{{ var({name}) -m reg ^[[:space:]]*{SESSION}[[:space:]]*(=|;|$) }}"
            for name in kept
        ),
    ]


def _names_of(headers: Iterable[str]) -> str:
    """Return the expression for names, separated by commas, of which one is among `headers`."""
    return f"(^|,)({'|'.join(headers)})(,|$)".replace(".*", "[^,]*")
