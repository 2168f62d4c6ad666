"""The configuration of HAProxy. Pure: the same inputs give the same text.

Slots are backends that wait for deployments, and maps say which deployment has which: nothing is reloaded when
deployments or replicas come and go. What a slot does to a request stands in the defaults it is made from.

    callers --> frontend --> slot --> replicas
                    |          `----> rescue: the asyncio engine, when no replica takes a request that was written
                    |---------------> handed: the asyncio engine, for what HAProxy does not do exactly as it should
                    `---------------> nowhere: 404, for what is no deployment's

Rules are what a request costs. `allow` ends those of a frontend or of a slot, so each says first what most requests
need, then lets them go on, and deals with the rare after that:

    frontend  which deployment and trace, what is odd at first sight; then how long a head with a body is; then other
              headers that matter
    slot      what the model is told; then keys; then rates
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from serai.domain.traffic import Rate
from serai.gateway.rates import WRONG_KEYS

from .keys import check_key
from .names import HANDED, RESCUE, slot_name
from .oddities import IS_HANDED, hand_over_odd, settle_headers
from .plan import server_line
from .problem_text import make_errors
from .rates import keep_rates, make_tables
from .rows import BACKEND
from .rules import (
    DEPLOYMENT,
    PREFIX,
    answer,
    find_row,
    identify,
    know_connection,
    name_request,
    refuse,
    rewrite,
    tell_spans,
)
from .state import CALLER_IDLE_S, CONNECT_S, Server

FRONTEND = "callers"
_NOWHERE = "nowhere"
ADMIN_SOCKET, LOG_SOCKET = "admin.sock", "log.sock"
CERTIFICATE = "tls.pem"
HANDED_SOCKET, RESCUE_SOCKET = "handed.sock", "rescue.sock"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration is made for; a change of any of these takes a reload."""

    host: str
    port: int
    domain: str
    slots: int
    threads: int
    tls: tuple[str, int] | None = None
    wrong_keys: Rate | None = WRONG_KEYS
    trace_share: float | None = None

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
        (f"backend {_NOWHERE} from base", refuse()),
        *make_tables(plan.wrong_keys),
        ("defaults slot from base", _slot(plan)),
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


# What most requests have alike is one field: records are told apart by it.
_RECORD = " ".join(
    (
        "%[var(txn.t0)] %[date(0,us),sub(txn.t0)] %[var(txn.ttfb)] %Tw",
        "%U %[var(txn.hin)] %B %[var(txn.hout)]",
        "%[var(txn.trace)]-%[var(txn.span)]/%[var(txn.parent)] %[var(txn.kid)]",
        "%[var(txn.dep)]/%b/%s/%ST/%ts/%pid",
    )
)

_SPAN = " %[var(txn.told)]"


def _frontend(plan: Plan) -> list[str]:
    return [
        *_binds(plan),
        "log ring@records format raw local0",
        f"log-format '{_RECORD}{'' if plan.trace_share is None else _SPAN}'",
        *know_connection(),
        *find_row(plan.domain),
        *identify(plan.trace_share),
        *hand_over_odd(),
        *settle_headers(),
        f"use_backend {HANDED} if {IS_HANDED}",
        f"use_backend {BACKEND}",
        f"default_backend {_NOWHERE}",
    ]


def _binds(plan: Plan) -> list[str]:
    """Return the lines for the plain address, and for that of TLS where there is one."""
    places = [(plan.host, plan.port, "")]
    if plan.tls is not None:
        places.append((*plan.tls, f" ssl crt {CERTIFICATE} ssl-min-ver TLSv1.2 alpn h2,http/1.1"))
    return [
        f"bind [{host}]:{port}{more}" if ":" in host else f"bind {host}:{port}{more}" for host, port, more in places
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


def _slot(plan: Plan) -> list[str]:
    return [
        "balance leastconn",
        *name_request("http-after-response set-header"),
        *tell_spans(plan.trace_share),
        *rewrite(PREFIX if plan.domain else DEPLOYMENT, plan.tls is not None),
        *check_key(plan.wrong_keys),
        *keep_rates(),
        *answer(),
    ]


def _backend(servers: list[str]) -> list[str]:
    return [*servers, f"server {RESCUE} unix@{RESCUE_SOCKET} backup"]
