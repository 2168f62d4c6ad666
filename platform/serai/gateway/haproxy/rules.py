"""The rules that every request goes by, and every answer. Pure.

Each costs a quarter of a microsecond, and each look at a header as much again.
"""

from __future__ import annotations

from serai.domain.finished import PATH_LIMIT

from .headers import ANSWERS_DROPPED, SESSION, names_of
from .names import HANDED, RESCUE
from .plan import ROWS
from .problem_text import make_return

DEPLOYMENT, PREFIX = "var(txn.dep)", "var(txn.prefix)"
_FLAGS = "var(txn.flags,01)"  # of the trace
# What a span tells beside the record, of requests whose flags say that they are sampled. `url_enc` leaves no space.
_TOLD = (
    "http-request set-var-fmt(txn.told) %[method],%[ssl_fc,iif(https,http)],%[req.ver],"
    f"%[path,bytes(0,{PATH_LIMIT}),url_enc] if {{ {_FLAGS},bytes(1,1) -m str 1 3 5 7 9 b d f }}"
)
_COOKIES = 16  # of an answer that tries to set the session: as many of its others are kept


def find_row(domain: str) -> list[str]:
    """Set `row` and `dep`, by host where it names a deployment, else by the first segment of the path.

    Set `t0` to when all began, and `be` for the gateway's own paths.
    """
    return [
        "http-request set-var(txn.t0) date(0,us)",
        *(_by_host(domain) if domain else ()),
        *(_by_path_then() if domain else _by_path()),
        f"http-request set-var(txn.be) str({HANDED}) if !{{ var(txn.row) -m found }} {{ path_beg /-/ }}",
    ]


def refuse() -> list[str]:
    """Answer requests that are no deployment's: nobody keeps a record of them."""
    detail = "no deployment answers here; the path begins with /<deployment>/"
    return [
        "http-request set-log-level silent",
        make_return(404, "unknown-deployment", detail, "", {"X-Request-Id": "%[uuid()]"}).rstrip(),
    ]


def _by_path() -> list[str]:
    return [
        "http-request set-var(txn.dep) path,field(2,/)",
        f"http-request set-var(txn.row) var(txn.dep),map_str({ROWS})",
    ]


def _by_host(domain: str) -> list[str]:
    pattern = r"^[^.]+\." + domain.lower().replace(".", r"\.") + r"\.?$"
    name = "req.fhdr(host),host_only"
    ends_so = f"{{ {name} -m end -i .{domain} .{domain}. }}"  # spares most the expression
    return [
        f"http-request set-var(txn.dep) req.fhdr(host),field(1,.),lower if {ends_so} {{ {name} -m reg -i {pattern} }}",
        f"http-request set-var(txn.row) var(txn.dep),map_str({ROWS}) if {{ var(txn.dep) -m found }}",
    ]


def _by_path_then() -> list[str]:
    by_path = f"{{ {PREFIX} -m found }}"
    return [
        "http-request set-var(txn.prefix) path,field(2,/) if !{ var(txn.row) -m found }",
        f"http-request set-var(txn.row) {PREFIX},map_str({ROWS}) if {by_path}",
        f"http-request set-var(txn.dep) {PREFIX} if {by_path}",
    ]


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


def know_connection() -> list[str]:
    """Set what all requests of a connection share: half of their traces' ids, and the address that they come from."""
    return [
        "tcp-request connection set-var(sess.half) uuid(4),xxh64(1),hex,lower",
        "tcp-request connection set-var-fmt(sess.src) %[src]",
    ]


def identify(share: float | None = None) -> list[str]:
    """Set `trace`, which begins here if no caller's is joined, its `flags`, and `span`.

    The latter half of the trace is the span's id: a hash of the instant and a random number, so that no two of a
    connection are the same. `share` of the traces that begin here are sampled; with None nothing is kept of any and
    all are passed on as sampled.
    """
    return [
        f"http-request set-var(txn.span) rand,mul({2**31}),xor(txn.t0),xxh64(1),hex,lower",
        "http-request set-var(txn.trace) var(sess.half),concat(,txn.span)",
        *_choose_flags(share),
    ]


def _choose_flags(share: float | None) -> list[str]:
    """Set the flags of a trace that begins here, where not all are sampled."""
    parts = 10**6 if share is None else round(share * 10**6)
    if parts >= 10**6:
        return []
    drawn = [f"http-request set-var(txn.flags) str(01) if {{ rand({10**6}) lt {parts} }}"] if parts > 0 else []
    return ["http-request set-var(txn.flags) str(00)", *drawn]


def name_request(rule: str) -> list[str]:
    """Write the id under which both sides find the request by `rule`: the caller's own, else that of the trace."""
    is_named = "{ var(txn.rid) -m found }"
    return [
        f"{rule} x-request-id %[var(txn.rid)] if {is_named}",
        f"{rule} x-request-id %[var(txn.trace)] if !{is_named}",
    ]


def tell_spans(share: float | None) -> list[str]:
    """Set what spans tell, where any are kept; the path is that which the caller asked for."""
    return [] if share is None else [_TOLD]


def rewrite(prefix: str, has_tls: bool) -> list[str]:
    """Write what the model is told. `prefix` is the variable of what is taken off the path, if it is there."""
    if_prefixed = f" if {{ {PREFIX} -m found }}" if prefix == PREFIX else ""
    return [
        f"http-request add-header traceparent 00-%[var(txn.trace)]-%[var(txn.span)]-%[{_FLAGS}]",
        *name_request("http-request add-header"),
        "http-request add-header x-forwarded-for %[var(sess.src)]",
        f"http-request add-header x-forwarded-proto {'%[ssl_fc,iif(https,http)]' if has_tls else 'http'}",
        "http-request add-header x-forwarded-host %[req.fhdr(host)]",
        f"http-request add-header x-forwarded-prefix /%[{prefix}]{if_prefixed}",
        "http-request set-uri %[pathq] unless { url_beg / }",
        f"http-request set-path /%[path,field(3,/,0)]{if_prefixed}",
        "http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }",
    ]


def answer() -> list[str]:
    """Write what the caller is told; what the asyncio engine answers is whole already."""
    session = f"res.fhdr(set-cookie) -m reg ^[[:space:]]*{SESSION}[[:space:]]*(=|;|$)"
    named = f"{{ res.hdr_names -m reg {names_of(ANSWERS_DROPPED)} }}"
    kept = [f"txn.cookie{number}" for number in range(1, _COOKIES + 1)]
    return [
        *measure_answer(),
        "http-response set-var(txn.ttfb) date(0,us),sub(txn.t0)",
        f"http-response allow if {{ srv_name -m str {RESCUE} }}",
        f"http-response del-header ^({'|'.join(ANSWERS_DROPPED)})$ -m reg if {named}",
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
