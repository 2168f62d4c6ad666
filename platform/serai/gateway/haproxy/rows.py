"""What the row of a deployment says: where to, who may, how often; and what of these HAProxy does itself. Pure.

p7:k                  slot p7, for keys
p7:x:1:100:60:900     the same, in X-Api-Key as well; 100 in 1 s for a key, 900 in 60 s for a client
"""

from __future__ import annotations

from serai.domain.deployment import Access
from serai.domain.routes import Route
from serai.domain.traffic import Rate

# Another header would take rules of its own: deployments that name one are left to the asyncio engine.
KEY_HEADER = "x-api-key"
# A table has one window, so what asks for another is left to the asyncio engine behind, as is a rate of one: HAProxy
# remembers a single request for up to two windows.
WINDOWS_S = (1, 10, 60, 3600)

ROW = "var(txn.row),field({},:)"
BACKEND = f"%[{ROW.format(1)}]"


def is_letter(*letters: str) -> str:
    """Return the condition that a row says one of these of access."""
    return f"{{ {ROW.format(2)} -m str {' '.join(letters)} }}"


def ends_with(letter: str) -> str:
    """Return the condition that a row says this of access, and nothing of rates."""
    return f"{{ var(txn.row),field(2,:,0) -m str {letter} }}"


def make_row(backend: str, route: Route) -> str:
    return f"{backend}:{_access(route)}{_limits(route)}"


def is_checked(route: Route) -> bool:
    """Return whether HAProxy finds the route's keys."""
    return route.access is Access.PUBLIC or route.key_header in ("", KEY_HEADER)


def is_counted(route: Route) -> bool:
    """Return whether HAProxy's tables can count for the route."""
    return all(rate is None or _fits(rate) for rate in (route.limits.per_key, route.limits.per_client))


def _fits(rate: Rate) -> bool:
    return rate.per_s in WINDOWS_S and rate.count > 1


def _access(route: Route) -> str:
    if route.access is Access.PUBLIC:
        return "p"
    return "x" if route.key_header else "k"


def _limits(route: Route) -> str:
    """Return window and count of a key, then of a client, 0 for none; "" without limits."""
    rates = (route.limits.per_key, route.limits.per_client)
    if rates == (None, None):
        return ""
    return "".join(f":{rate.per_s}:{rate.count}" if rate is not None else ":0:0" for rate in rates)
