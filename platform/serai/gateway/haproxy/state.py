"""What HAProxy is to know, as plain values: derived from routes, or read from a running one. Pure."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field

from serai.domain.deployment import Access, Timeouts
from serai.domain.routes import Grant, Route

from .names import HANDED, server_name
from .rows import is_checked, is_counted, make_row

# HAProxy has one time-out for the wait for an answer and for silences, and one for all callers: a deployment that asks
# for more is carried by the asyncio engine behind it.
CALLER_IDLE_S = Timeouts().idle_s
CONNECT_S = Timeouts().connect_s
_NEVER = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Server:
    """A replica in a slot. A draining one finishes what it has."""

    address: str
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """`rows` by deployment, `grants` by `<hash>/<deployment>`, `keys` by hash, `servers` by `<slot>/<server>`."""

    rows: dict[str, str] = field(default_factory=dict)
    grants: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)


def derive_state(route: Route, slot: str | None, is_trusting: bool = True) -> State:
    """Return the part of one route; without a slot its requests are handed over. Keys are those of this route.

    Where keys are not trusted any more, what needs one is handed over: it is refused there.
    """
    native = slot is not None and is_native(route)
    servers = (
        {
            f"{slot}/{server_name(endpoint.version, endpoint.replica)}": Server(endpoint.address)
            for endpoint in route.endpoints
            if endpoint.version == route.version and not endpoint.draining
        }
        if native
        else {}
    )
    is_open = is_trusting or route.access is Access.PUBLIC
    backend = slot if servers and slot and is_open else HANDED
    expiries = {grant.key_hash: format_expiry(grant.expires_at) for grant in route.grants}
    is_keyed = route.access is Access.KEYS
    grants = {f"{grant.key_hash}/{route.deployment}": format_grant(grant) for grant in route.grants if is_keyed}
    return State({route.deployment: make_row(backend, route)}, grants, expiries, servers)


def is_native(route: Route) -> bool:
    """Return whether HAProxy keeps the route's limits exactly and can reach its replicas without asking for names.

    Its queue has one time-out for all deployments, and does not know of the requests that are handed over.
    """
    limits = route.timeouts
    return (
        limits.total_s == 0
        and route.limits.concurrency == 0
        and not route.cors.origins
        and is_checked(route)
        and is_counted(route)
        and limits.connect_s == CONNECT_S
        and limits.first_byte_s == limits.idle_s == CALLER_IDLE_S
        and all(is_numeric(endpoint.address) for endpoint in route.endpoints)
    )


def is_numeric(address: str) -> bool:
    """Return whether `host:port` needs no look-up."""
    host, _, port = address.rpartition(":")
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return port.isdigit() and 0 < int(port) < 65536


def format_grant(grant: Grant) -> str:
    """Return the id of a key that never ends, else `@<end>:<id>`."""
    is_plain = grant.expires_at is None and not grant.key_id.startswith("@")
    return grant.key_id if is_plain else f"@{format_expiry(grant.expires_at)}:{grant.key_id}"


def format_expiry(expires_at: float | None) -> str:
    """Return the first whole second at which a key is not valid any more."""
    return str(_NEVER if expires_at is None else min(math.ceil(expires_at), _NEVER))
