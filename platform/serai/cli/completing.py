"""Names for shell completion: quick, and silent about every trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serai.client.client import Client


def complete_names(start: str) -> list[str]:
    """Return the names of deployments that begin with `start`; none where the server cannot tell at once."""
    return _complete(start, lambda client: [item["name"] for item in client.list_deployments()])


def complete_logins(start: str) -> list[str]:
    """Return the logins of accounts that begin with `start`; none for who may not see them."""
    return _complete(start, _load_logins)


def complete_teams(start: str) -> list[str]:
    return _complete(start, _load_teams)


def complete_owners(start: str) -> list[str]:
    """Return logins, and teams as `team:<name>`."""
    return _complete(start, _load_logins) + _complete(start, lambda client: [f"team:{n}" for n in _load_teams(client)])


def _complete(start: str, load: Callable[[Client], Iterable[str]]) -> list[str]:
    from serai.client.client import Client
    from serai.client.profile import find_profile
    from serai.domain.errors import SeraiError

    try:
        profile = find_profile()
        with Client(profile.url, profile.token, patience_s=0) as client:
            return [name for name in load(client) if name.startswith(start)]
    except SeraiError:
        return []


def _load_logins(client: Client) -> list[str]:
    return [item["login"] for item in client.list_users()]


def _load_teams(client: Client) -> list[str]:
    return [item["name"] for item in client.list_teams()]
