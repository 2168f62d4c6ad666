"""The route table: built from situations by pure functions, published with growing indexes, followed by gateways."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from serai.domain.deployment import Access, HandoverMode
from serai.domain.handover import Situation, serving, wanted_counts
from serai.domain.observation import Phase
from serai.domain.routes import Endpoint, Grant, Route, RouteChange, RouteTable
from serai.domain.status import Status

# Held this long at most where a replica is on its way: as long as callers commonly wait themselves.
HOLD_S = 120.0


def make_route(situation: Situation, status: Status | None, leaving: Collection[str], grants: Sequence[Grant]) -> Route:
    """Return the route of one deployment; `status` is that of the version that serves."""
    deployment, version = situation.deployment, serving(situation)
    return Route(
        deployment=deployment.name,
        owner=deployment.owner,
        version=version.number if version else None,
        endpoints=_make_endpoints(situation, leaving),
        access=deployment.settings.access,
        grants=tuple(grants) if deployment.settings.access is Access.KEYS else (),
        timeouts=deployment.settings.timeouts,
        hold_s=HOLD_S if _is_worth_holding(situation) else 0.0,
        state=status.state.value if status else "stopped",
        reason=status.reason.text if status and status.reason else "",
        limits=deployment.settings.limits,
        cors=deployment.settings.cors,
        key_header=deployment.settings.key_header,
        is_idle=deployment.is_idle,
    )


def _make_endpoints(situation: Situation, leaving: Collection[str]) -> tuple[Endpoint, ...]:
    wanted = wanted_counts(situation)
    found = [
        Endpoint(replica.id, replica.address, version.number)
        for version in (situation.active, situation.incumbent)
        if version is not None and wanted.get(version.number)
        for replica in situation.replicas(version)
        if replica.ready and replica.address and replica.phase is not Phase.STOPPING and replica.id not in leaving
    ]
    return tuple(sorted(found, key=lambda endpoint: (endpoint.version, endpoint.replica)))


def _is_worth_holding(situation: Situation) -> bool:
    """True if a replica is expected: one was ready in this run, a request starts one, or a handover has its gap."""
    deployment, active = situation.deployment, situation.active
    if active is None or deployment.settings.count == 0:
        return False
    if deployment.is_idle:
        return True
    was_ready = active.progress is not None and active.progress.was_ready
    return was_ready or deployment.handing is HandoverMode.REPLACE


class RoutePublisher:
    """Keeps the published table. `publish` has one caller at a time; `wait` and `table` any number."""

    def __init__(self, first_index: int, told: Callable[[RouteTable], None]) -> None:
        self._told = told
        self._changed = threading.Condition()
        self._first = first_index
        self._index = first_index
        self._routes: dict[str, Route] = {}
        self._route_index: dict[str, int] = {}  # also of names that are gone: their tombstones
        self._is_published = False
        self._closed = False

    def publish(self, changed: Mapping[str, Route | None], complete: bool) -> int:
        """Take new routes (None: gone) and return the index of the table.

        The first table is published only when it is `complete`: a gateway must not take a server that has just
        started and knows half of its deployments for the truth.
        """
        with self._changed:
            different = {name: route for name, route in changed.items() if self._routes.get(name) != route}
            for name, route in different.items():
                self._set(name, route)
            if not different and not (complete and not self._is_published):
                return self._index
            self._is_published = self._is_published or complete
            self._changed.notify_all()
            index = self._index
        if different:
            self._told(self.table())
        return index

    def table(self) -> RouteTable:
        with self._changed:
            return RouteTable(self._index, dict(self._routes))

    def has_given(self, index: int) -> bool:
        """Return whether an index is of this process; that of another one says nothing of what is published here."""
        with self._changed:
            return self._first <= index <= self._index

    def route(self, name: str) -> Route | None:
        with self._changed:
            return self._routes.get(name)

    def wait(self, index: int, timeout_s: float) -> RouteChange:
        """Return what changed since `index`, as soon as something did or after `timeout_s`.

        An index of another process or 0 is answered with the whole table. Before the first table is complete
        nothing is answered with but an unchanged index.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._is_published or index == self._index:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._closed:
                    return RouteChange(index, False, {})
                self._changed.wait(left_s)
            return self._change_since(index)

    def close(self) -> None:
        """Release all who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _set(self, name: str, route: Route | None) -> None:
        self._index += 1
        self._route_index[name] = self._index
        if route is None:
            self._routes.pop(name, None)
        else:
            self._routes[name] = route

    def _change_since(self, index: int) -> RouteChange:
        if not self._first <= index < self._index:
            return RouteChange(self._index, True, dict(self._routes))
        names = [name for name, changed_at in self._route_index.items() if changed_at > index]
        routes = {name: self._routes[name] for name in names if name in self._routes}
        return RouteChange(self._index, False, routes, tuple(name for name in names if name not in routes))
