"""Choose the replica for a request: the one with the fewest in flight. Pure, but for the given chance."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from serai.domain.routes import Endpoint


def choose_endpoint(
    ready: Iterable[Endpoint],
    in_flight: Mapping[Endpoint, int],
    aside: Container[Endpoint],
    tried: Container[Endpoint],
    pick: Callable[[Sequence[Endpoint]], Endpoint],
) -> Endpoint | None:
    """Return the least busy of `ready` that was not tried, by `pick` among equals; None if there is none.

    Replicas set aside are used only where there is no other: they may be back, and refusing is worse than trying.
    """
    untried = [endpoint for endpoint in ready if endpoint not in tried]
    candidates = [endpoint for endpoint in untried if endpoint not in aside] or untried
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    least = min(in_flight.get(endpoint, 0) for endpoint in candidates)
    return pick([endpoint for endpoint in candidates if in_flight.get(endpoint, 0) == least])


class Loads:
    """Requests in flight per replica, and the replicas set aside for a moment. One loop, no locks."""

    def __init__(self, aside_s: float = 1.0) -> None:
        self.in_flight: dict[Endpoint, int] = {}
        self._aside_s = aside_s
        self._aside_until: dict[Endpoint, float] = {}

    def begin(self, endpoint: Endpoint) -> None:
        self.in_flight[endpoint] = self.in_flight.get(endpoint, 0) + 1

    def end(self, endpoint: Endpoint) -> None:
        left = self.in_flight[endpoint] - 1
        if left:
            self.in_flight[endpoint] = left
        else:
            del self.in_flight[endpoint]

    def set_aside(self, endpoint: Endpoint, now: float) -> None:
        """Avoid a replica that refused a connection."""
        self._aside_until[endpoint] = now + self._aside_s

    def aside(self, now: float) -> Container[Endpoint]:
        """Return the replicas to avoid at `now`."""
        if self._aside_until:
            self._aside_until = {endpoint: until for endpoint, until in self._aside_until.items() if until > now}
        return self._aside_until
