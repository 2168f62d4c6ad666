"""The configuration of HAProxy. Pure: the same inputs give the same text.

Slots are backends that wait for deployments, and maps say which deployment has which: nothing is reloaded when
deployments or replicas come and go. What a slot does to a request stands in the defaults it is made from.

    callers --> frontend --> slot --> replicas
                    |          `----> rescue: the asyncio engine, when no replica takes a request that was written
                    `---------------> handed: the asyncio engine, for what HAProxy does not do exactly as it should
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from serai.gateway.headers import SESSION_COOKIE

from .names import HANDED, RESCUE, slot_name
from .plan import GRANTS, KEYS, ROWS, server_line
from .problem_text import make_errors, make_return
from .state import CALLER_IDLE_S, CONNECT_S, Server

FRONTEND = "callers"
ADMIN_SOCKET, LOG_SOCKET = "admin.sock", "log.sock"
CERTIFICATE = "tls.pem"
HANDED_SOCKET, RESCUE_SOCKET = "handed.sock", "rescue.sock"
_SESSION = SESSION_COOKIE.decode()
_ID = "[A-Za-z0-9._:/+=@-]{1,128}"
_TRACE, _SPAN = "(?!0{32})[0-9a-f]{32}", "(?!0{16})[0-9a-f]{16}"
_PARENT = f"^(00-{_TRACE}-{_SPAN}-[0-9a-f]{{2}}|(?!ff|00)[0-9a-f]{{2}}-{_TRACE}-{_SPAN}-[0-9a-f]{{2}}(-.*)?)$"
_MANUAL = "send a key of this deployment as `Authorization: Bearer <key>`"
_COOKIES = 16  # of an answer that tries to set the session: as many of its others are kept


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration is made for; a change of any of these takes a reload."""

    host: str
    port: int
    domain: str
    slots: int
    threads: int
    tls: tuple[str, int] | None = None

    @property
    def digest(self) -> str:
        """Return what tells two configurations apart, whatever servers they begin with."""
        return hashlib.sha256(_render(self, "", {}).encode()).hexdigest()[:16]


def render(plan: Plan, servers: Mapping[str, Server]) -> str:
    """Return the configuration that begins with `servers`, by `<slot>/<server>`."""
    return _render(plan, plan.digest, servers)


def _render(plan: Plan, digest: str, servers: Mapping[str, Server]) -> str:
    by_slot: dict[str, list[str]] = {}
    for key, server in servers.items():
        slot, _, name = key.partition("/")
        by_slot.setdefault(slot, []).append(f"server {name} {server_line(server)}")
    sections = [
        ("global", _global(plan, digest)),
        ("ring records", _RING),
        ("defaults base", _base()),
        (f"frontend {FRONTEND} from base", _frontend(plan)),
        (f"backend {HANDED} from base", _handed()),
        ("defaults slot from base", _slot()),
        *((f"backend {name} from slot", _backend(by_slot.get(name, []))) for name in map(slot_name, range(plan.slots))),
    ]
    return "\n".join(f"{title}\n" + "".join(f"  {line}\n" for line in lines) for title, lines in sections)


def _global(plan: Plan, digest: str) -> list[str]:
    return [
        f"description serai-{digest}",
        f"stats socket unix@{ADMIN_SOCKET} mode 600 level admin expose-fd listeners",
        "stats timeout 1m",
        f"nbthread {plan.threads}",
        "noreuseport",
        "hard-stop-after 30m",
        "tune.maxrewrite 2048",
        "tune.http.maxhdr 256",
    ]


# A reader may be away for as long as the ring takes records: 32 MiB of 300 bytes are 5 s at 20,000 requests/s.
_RING = [
    "format raw",
    "maxlen 2000",
    f"size {32 * 2**20}",
    "timeout connect 1s",
    "timeout server 10s",
    f"server agent unix@{LOG_SOCKET}",
]


def _base() -> list[str]:
    return [
        "mode http",
        "option http-no-delay",
        "option abortonclose",
        "option idle-close-on-response",
        "option redispatch 1",
        "retries 3",
        "retry-on conn-failure empty-response",
        f"timeout connect {round(CONNECT_S * 1000)}",
        f"timeout client {round(CALLER_IDLE_S * 1000)}",
        f"timeout server {round(CALLER_IDLE_S * 1000)}",
        f"timeout tunnel {round(CALLER_IDLE_S * 1000)}",
        "timeout http-request 10s",
        "timeout http-keep-alive 75s",
        "timeout queue 5s",
        *make_errors(),
    ]


_RECORD = " ".join(
    (
        "%[var(txn.t0)] %[date(0,us),sub(txn.t0)] %[var(txn.ttfb)] %Tw %[var(txn.dep)] %b %s %ST %ts",
        "%U %[var(txn.hin)] %B %[var(txn.hout)] %[var(txn.tp)] %[var(txn.parent)] %[var(txn.kid)] %pid",
    )
)


def _frontend(plan: Plan) -> list[str]:
    return [
        *_binds(plan),
        "log ring@records format raw local0",
        f"log-format '{_RECORD}'",
        "http-request set-var(txn.t0) date(0,us)",
        *_measure("request", "req", "hin"),
        *_find_row(plan.domain),
        "http-request set-log-level silent if !{ var(txn.row) -m found } !{ path_beg /-/ }",
        make_return(
            404,
            "unknown-deployment",
            "no deployment answers here; the path begins with /<deployment>/",
            "if !{ var(txn.row) -m found } !{ path_beg /-/ }",
            {"X-Request-Id": "%[uuid()]"},
        ),
        "http-request set-var(txn.be) var(txn.row),field(1,:)",
        "http-request set-var(txn.access) var(txn.row),field(2,:)",
        *(f"http-request set-var(txn.be) str({HANDED}) if {{ {odd} }}" for odd in _ODD),
        "http-after-response set-header x-request-id %[var(txn.rid)] if { var(txn.rid) -m found }",
        f"use_backend {HANDED} if {{ path_beg /-/ }}",
        "use_backend %[var(txn.be)]",
    ]


def _binds(plan: Plan) -> list[str]:
    """Return the lines for the plain address, and for that of TLS where there is one."""
    places = [(plan.host, plan.port, "")]
    if plan.tls is not None:
        places.append((*plan.tls, f" ssl crt {CERTIFICATE} ssl-min-ver TLSv1.2 alpn h2,http/1.1"))
    return [
        f"bind [{host}]:{port}{more}" if ":" in host else f"bind {host}:{port}{more}" for host, port, more in places
    ]


# Rare, and done exactly by the asyncio engine: old callers, a version that is named, connections that nominate headers
# or ask for another protocol, the server's session among the cookies, several of what there should be one of.
_ODD = (
    "req.ver -m str 1.0",
    "req.fhdr(x-serai-version) -m found",
    "req.fhdr(connection) -m reg -i (^|,)[[:space:]]*(?!(close|keep-alive|upgrade)[[:space:]]*(,|$))[^,[:space:]]",
    "req.fhdr(upgrade) -m reg -i ^(?!websocket$)",
    f"req.fhdr(cookie) -m sub {_SESSION}",
    "req.fhdr_cnt(traceparent) gt 1",
    "req.fhdr_cnt(x-request-id) gt 1",
    "req.fhdr_cnt(authorization) gt 1",
)


def _find_row(domain: str) -> list[str]:
    """Set `row` and `dep`: by host where it names a deployment, else by the first segment of the path."""
    by_path = [
        "http-request set-var(txn.seg) path,field(2,/) if !{ var(txn.row) -m found }",
        f"http-request set-var(txn.row) var(txn.seg),map_str({ROWS}) if !{{ var(txn.row) -m found }}",
        "http-request set-var(txn.prefix) var(txn.seg) if { var(txn.row) -m found } !{ var(txn.dep) -m found }",
        "http-request set-var(txn.dep) var(txn.seg) if { var(txn.row) -m found } !{ var(txn.dep) -m found }",
    ]
    if not domain:
        return by_path
    pattern = r"^[^.]+\." + domain.lower().replace(".", r"\.") + r"\.?$"
    return [
        f"acl ends_so req.hdr(host),host_only -m end -i .{domain} .{domain}.",  # spares most the expression
        f"acl in_domain req.hdr(host),host_only -m reg -i {pattern}",
        "http-request set-var(txn.label) req.hdr(host),field(1,.),lower if ends_so in_domain",
        f"http-request set-var(txn.row) var(txn.label),map_str({ROWS}) if {{ var(txn.label) -m found }}",
        "http-request set-var(txn.dep) var(txn.label) if { var(txn.row) -m found }",
        *by_path,
    ]


def _measure(side: str, fetch: str, name: str) -> list[str]:
    """Set `name` to the size of a head, so that what HAProxy counts less this is the body.

    The mark at the end of chunks, and of bodies in HTTP/2, is counted when it comes; it is in what is at hand already
    or still to be taken off.
    """
    marked = f"{{ {fetch}.fhdr(transfer-encoding) -m found }}"
    marked += " or !{ internal.htx.has_eom } { fc_http_major 2 }" if fetch == "req" else ""
    is_mark_to_come = f"!{{ internal.htx.has_eom }} {marked}"
    return [
        f"http-{side} set-var(txn.len) {fetch}.body_len",
        f"http-{side} set-var(txn.{name}) internal.htx.data,sub(txn.len)",
        f"http-{side} set-var(txn.{name}) var(txn.{name}),add(1) if {is_mark_to_come}",
    ]


def _handed() -> list[str]:
    return [
        "timeout server 24d",
        "timeout tunnel 24d",
        "http-request set-header x-serai-peer %[src]",
        "http-request set-header x-serai-scheme %[ssl_fc,iif(https,http)]",
        "http-request disable-l7-retry",
        f"server {HANDED} unix@{HANDED_SOCKET}",
    ]


def _slot() -> list[str]:
    return ["balance leastconn", *_identify(), *_check_key(), *_rewrite(), *_answer()]


def _identify() -> list[str]:
    """Set the trace, and the id under which both sides find the request."""
    parent = f"{{ req.fhdr(traceparent) -m reg {_PARENT} }}"
    joins = "{ var(txn.parent) -m found }"
    return [
        f"http-request set-var(txn.parent) req.fhdr(traceparent),bytes(36,16) if {parent}",
        f"http-request set-var(txn.trace) req.fhdr(traceparent),bytes(3,32) if {joins}",
        f"http-request set-var-fmt(txn.trace) %[uuid(4),xxh64,hex,lower]%[uuid(4),xxh64,hex,lower] if !{joins}",
        "http-request set-var(txn.span) uuid(4),xxh64,hex,lower",
        f"http-request set-var(txn.flags) req.fhdr(traceparent),bytes(53,2) if {joins}",
        f"http-request set-var(txn.flags) str(01) if !{joins}",
        "http-request set-var-fmt(txn.tp) 00-%[var(txn.trace)]-%[var(txn.span)]-%[var(txn.flags)]",
        f"http-request set-var(txn.rid) req.fhdr(x-request-id) if {{ req.fhdr(x-request-id) -m reg ^{_ID}$ }}",
        "http-request set-var(txn.rid) var(txn.trace) if !{ var(txn.rid) -m found }",
        f"http-request del-header tracestate if !{joins}",
        "http-request set-header traceparent %[var(txn.tp)]",
    ]


def _check_key() -> list[str]:
    """Let a request pass whose key is granted, and is valid still; look-ups tell nothing about keys by their time."""
    keyed = "{ var(txn.access) -m str k }"
    challenge = {"WWW-Authenticate": 'Bearer realm="serai"'}
    fresh = "{ date,sub(txn.ends) lt 0 }"
    return [
        f"http-request set-var(txn.hash) http_auth_bearer,sha2(256),hex,lower if {keyed}",
        f"http-request set-var(txn.grant) var(txn.hash),concat(/,txn.dep),map_str({GRANTS}) if {keyed}",
        "http-request set-var(txn.ends) var(txn.grant),field(1,:) if { var(txn.grant) -m found }",
        f"http-request set-var(txn.kid) var(txn.grant),field(2,:,0) if {{ var(txn.grant) -m found }} {fresh}",
        f"http-request set-var(txn.ends) var(txn.hash),map_str({KEYS}) if {keyed} !{{ var(txn.grant) -m found }}",
        make_return(
            403,
            "forbidden",
            "the key is valid but not for this deployment; ask its owner for access",
            f"if {keyed} !{{ var(txn.grant) -m found }} {{ var(txn.ends) -m found }} {fresh}",
        ),
        make_return(
            401,
            "unauthenticated",
            f"this deployment takes keyed requests only, and no valid key was sent: {_MANUAL}",
            f"if {keyed} !{{ var(txn.kid) -m found }}",
            challenge,
        ),
        f"http-request del-header authorization if {keyed}",
    ]


_DROPPED = (
    "keep-alive",
    "te",
    "trailer",
    "forwarded",
    "x-real-ip",
    "proxy- -m beg",  # of connections: -connection, -authenticate, -authorization
    "x-serai- -m beg",
)


def _rewrite() -> list[str]:
    """Write what the model is told, and no more."""
    return [
        *(f"http-request del-header {name}" for name in _DROPPED),
        "http-request set-header x-request-id %[var(txn.rid)]",
        "http-request set-header x-forwarded-for %[src]",
        "http-request set-header x-forwarded-proto %[ssl_fc,iif(https,http)]",
        "http-request set-header x-forwarded-host %[req.fhdr(host)]",
        "http-request del-header x-forwarded-prefix unless { var(txn.prefix) -m found }",
        "http-request set-header x-forwarded-prefix /%[var(txn.prefix)] if { var(txn.prefix) -m found }",
        "http-request set-uri %[pathq] unless { url_beg / }",
        "http-request set-path /%[path,field(3,/,0)] if { var(txn.prefix) -m found }",
        "http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }",
    ]


def _answer() -> list[str]:
    """Write what the caller is told; what the asyncio engine answers is whole already."""
    session = f"res.fhdr(set-cookie) -m reg ^[[:space:]]*{_SESSION}[[:space:]]*(=|;|$)"
    kept = [f"txn.cookie{number}" for number in range(1, _COOKIES + 1)]
    return [
        *_measure("response", "res", "hout"),
        "http-response set-var(txn.ttfb) date(0,us),sub(txn.t0)",
        f"http-response allow if {{ srv_name -m str {RESCUE} }}",
        "http-response del-header x-serai- -m beg",
        "http-response del-header x-request-id",
        "http-response del-header keep-alive",
        "http-response del-header proxy-authenticate",
        "http-response set-header x-serai-version %[srv_name,field(1,.)]",
        "http-response set-header x-serai-replica %[srv_name,field(2,.,0)]",
        f"http-response allow unless {{ {session} }}",
        *(f"http-response set-var({name}) res.fhdr(set-cookie,{number})" for number, name in enumerate(kept, 1)),
        "http-response del-header set-cookie",
        *(
            f"http-response add-header set-cookie %[var({name})]"
            f" if {{ var({name}) -m found }} !{{ var({name}) -m reg ^[[:space:]]*{_SESSION}[[:space:]]*(=|;|$) }}"
            for name in kept
        ),
    ]


def _backend(servers: list[str]) -> list[str]:
    return [*servers, f"server {RESCUE} unix@{RESCUE_SOCKET} backup"]
