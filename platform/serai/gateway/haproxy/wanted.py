"""What HAProxy has to know by the route table, kept up to date change by change. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serai.domain.routes import Route

from .slots import Slots
from .state import Server, State, derive_state, is_native


class Wanted:
    """The sum of the parts of all routes. The cost of a change does not grow with what is unchanged."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.is_trusting = True  # as `derive_state` has it; for what is taken from now on
        self._parts: dict[str, State] = {}
        self._holders: dict[str, dict[str, str]] = {}  # of a key's hash: expiries by deployment
        self.rows: dict[str, str] = {}
        self.grants: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.servers: dict[str, Server] = {}

    @property
    def state(self) -> State:
        """Return all of it; it changes with the next `take`."""
        return State(self.rows, self.grants, self.keys, self.servers)

    def copy(self) -> State:
        """Return all of it as it is now."""
        return State(dict(self.rows), dict(self.grants), dict(self.keys), dict(self.servers))

    def deployments(self) -> dict[str, str]:
        """Return the deployments by slot."""
        return self.slots.owners()

    def lacks_slots(self, routes: Iterable[Route]) -> int:
        """Return how many routes would find no slot."""
        wanted = sum(1 for route in routes if is_native(route) and self.slots.get(route.deployment) is None)
        return max(0, wanted - self.slots.free)

    def take(self, changed: Mapping[str, Route | None]) -> Touched:
        """Take routes that are new, others or gone (None); return the names of all that this is about."""
        touched = Touched()
        for name, route in changed.items():
            before = self._parts.pop(name, State())
            self._forget(name, before)
            touched.add(before)
            if route is not None and is_native(route):
                slot = self.slots.take(name)
            else:
                self.slots.give_back(name)
                slot = None
            if route is not None:
                after = self._parts[name] = derive_state(route, slot, self.is_trusting)
                self._remember(name, after)
                touched.add(after)
        return touched

    def _forget(self, name: str, part: State) -> None:
        for key in part.rows:
            del self.rows[key]
        for key in part.grants:
            del self.grants[key]
        for key in part.servers:
            del self.servers[key]
        for key in part.keys:
            del self._holders[key][name]
            self._weigh(key)

    def _remember(self, name: str, part: State) -> None:
        self.rows.update(part.rows)
        self.grants.update(part.grants)
        self.servers.update(part.servers)
        for key, expiry in part.keys.items():
            self._holders.setdefault(key, {})[name] = expiry
            self._weigh(key)

    def _weigh(self, key: str) -> None:
        """A key is known for as long as any deployment grants it."""
        holders = self._holders[key]
        if holders:
            self.keys[key] = max(holders.values(), key=int)
        else:
            del self._holders[key], self.keys[key]


class Touched:
    """The names that some parts are about."""

    def __init__(self) -> None:
        self._names: tuple[set[str], set[str], set[str], set[str]] = (set(), set(), set(), set())

    def add(self, part: State) -> None:
        for names, entries in zip(self._names, names_of(part), strict=True):
            names.update(entries)

    def of(self, state: State) -> State:
        """Return the part of `state` about them."""
        rows, grants, keys, servers = self._names
        return State(
            {key: state.rows[key] for key in rows if key in state.rows},
            {key: state.grants[key] for key in grants if key in state.grants},
            {key: state.keys[key] for key in keys if key in state.keys},
            {key: state.servers[key] for key in servers if key in state.servers},
        )


def names_of(part: State) -> tuple[Iterable[str], Iterable[str], Iterable[str], Iterable[str]]:
    return part.rows, part.grants, part.keys, part.servers
