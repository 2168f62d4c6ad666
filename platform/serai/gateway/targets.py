"""The route table in the form that requests are looked up in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from serai.domain.routes import Endpoint, Grant, Route, RouteTable

from .keys import is_current


@dataclass(frozen=True, slots=True)
class Target:
    """A route with its ready endpoints by version, and its grants by hash."""

    route: Route
    ready: Mapping[int, tuple[Endpoint, ...]]
    grants: Mapping[str, Grant]

    def endpoints(self, version: int | None) -> tuple[Endpoint, ...]:
        return () if version is None else self.ready.get(version, ())


def make_target(route: Route) -> Target:
    ready: dict[int, tuple[Endpoint, ...]] = {}
    for endpoint in route.endpoints:
        if not endpoint.draining:
            ready[endpoint.version] = (*ready.get(endpoint.version, ()), endpoint)
    return Target(route, ready, {grant.key_hash: grant for grant in route.grants})


class Targets:
    """What is routed now. `apply` replaces it in one step; routes that did not change keep their Target."""

    def __init__(self) -> None:
        self.index = 0
        self._targets: dict[str, Target] = {}

    def apply(self, table: RouteTable) -> list[str]:
        """Take the table and return the names of the deployments whose route is another, or gone."""
        old, new = self._targets, {}
        for name, route in table.routes.items():
            known = old.get(name)
            new[name] = known if known is not None and known.route == route else make_target(route)
        self._targets, self.index = new, table.index
        return [name for name in old.keys() | new.keys() if old.get(name) is not new.get(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._targets

    def get(self, name: str) -> Target | None:
        return self._targets.get(name)

    def addresses(self) -> Iterator[str]:
        """Yield the address of every endpoint, draining ones too."""
        for target in self._targets.values():
            for endpoint in target.route.endpoints:
                yield endpoint.address

    def replicas(self) -> frozenset[str]:
        """Return the ids of all replicas that are routed."""
        return frozenset(e.replica for target in self._targets.values() for e in target.route.endpoints)

    def is_key_known(self, key_hash: str, now: float) -> bool:
        """Return whether a key is valid for any deployment."""
        grants = (target.grants.get(key_hash) for target in self._targets.values())
        return any(grant is not None and is_current(grant, now) for grant in grants)
