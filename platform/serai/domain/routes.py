"""Where requests go: the immutable table that the server publishes and gateways follow, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .deployment import Access, Timeouts
from .spec_text import JsonObject, dump_timeouts
from .traffic import Cors, Limits
from .traffic_text import dump_cors, dump_limits, read_cors, read_limits


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A replica that can answer at `address` (host:port). A draining one gets no new requests."""

    replica: str
    address: str
    version: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A key that may call: SHA-256 of the key in hexadecimal, its id, and when it ends (epoch seconds)."""

    key_hash: str
    key_id: str
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """How requests of one deployment are carried.

    `version` alone gets new requests, unless a caller names another that has endpoints. With no endpoint for it a
    request is held up to `hold_s` seconds (0: refused at once with `state` and `reason`). One `is_idle` has no replica
    until the server is told that requests wait.
    """

    deployment: str
    owner: str
    version: int | None
    endpoints: tuple[Endpoint, ...] = ()
    access: Access = Access.PUBLIC
    grants: tuple[Grant, ...] = ()
    timeouts: Timeouts = Timeouts()
    hold_s: float = 0.0
    state: str = ""
    reason: str = ""
    limits: Limits = Limits()
    cors: Cors = Cors()
    key_header: str = ""
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes at an index. Indexes grow, over restarts of the server too."""

    index: int
    routes: Mapping[str, Route]


@dataclass(frozen=True, slots=True)
class RouteChange:
    """What brings a table to `index`: everything (`full`), or the changed routes and the names that are gone."""

    index: int
    full: bool
    routes: Mapping[str, Route]
    removed: tuple[str, ...] = ()


def apply_change(table: RouteTable | None, change: RouteChange) -> RouteTable:
    """Return the table after `change`; the old one stays as it was."""
    if change.full or table is None:
        return RouteTable(change.index, dict(change.routes))
    gone = set(change.removed)
    kept = {name: route for name, route in table.routes.items() if name not in gone}
    return RouteTable(change.index, kept | dict(change.routes))


def dump_change(change: RouteChange) -> JsonObject:
    return {
        "index": change.index,
        "full": change.full,
        "routes": {name: dump_route(route) for name, route in change.routes.items()},
        "removed": list(change.removed),
    }


def load_change(values: Mapping[str, Any]) -> RouteChange:
    """Return the change that `dump_change` wrote. KeyError, TypeError, ValueError or Invalid where it did not."""
    return RouteChange(
        index=int(values["index"]),
        full=bool(values["full"]),
        routes={name: load_route(route) for name, route in values["routes"].items()},
        removed=tuple(values["removed"]),
    )


def dump_route(route: Route) -> JsonObject:
    return {
        "deployment": route.deployment,
        "owner": route.owner,
        "version": route.version,
        "endpoints": [
            {"replica": e.replica, "address": e.address, "version": e.version, "draining": e.draining}
            for e in route.endpoints
        ],
        "access": route.access.value,
        "grants": [{"key_hash": g.key_hash, "key_id": g.key_id, "expires_at": g.expires_at} for g in route.grants],
        "timeouts": dump_timeouts(route.timeouts),
        "hold": route.hold_s,
        "state": route.state,
        "reason": route.reason,
        "limits": dump_limits(route.limits),
        "cors": dump_cors(route.cors),
        "key_header": route.key_header,
        "idle": route.is_idle,
    }


def load_route(values: Mapping[str, Any]) -> Route:
    timeouts = values["timeouts"]
    return Route(
        deployment=values["deployment"],
        owner=values["owner"],
        version=values["version"],
        endpoints=tuple(Endpoint(**endpoint) for endpoint in values["endpoints"]),
        access=Access(values["access"]),
        grants=tuple(Grant(**grant) for grant in values["grants"]),
        timeouts=Timeouts(timeouts["connect"], timeouts["first_byte"], timeouts["idle"], timeouts["total"]),
        hold_s=values["hold"],
        state=values["state"],
        reason=values["reason"],
        # A table that a gateway kept through an upgrade may be without these.
        limits=read_limits(values.get("limits", {}), "limits", Limits()),
        cors=read_cors(values.get("cors", {}), "cors", Cors()),
        key_header=values.get("key_header", ""),
        is_idle=bool(values.get("idle", False)),
    )
