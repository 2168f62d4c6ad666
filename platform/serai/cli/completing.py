"""Names for shell completion: quick, and silent about every trouble."""

from __future__ import annotations


def complete_names(start: str) -> list[str]:
    """Return the names of deployments that begin with `start`; none where the server cannot tell at once."""
    from serai.client.client import Client
    from serai.client.profile import find_profile
    from serai.domain.errors import SeraiError

    try:
        profile = find_profile()
        with Client(profile.url, profile.token, patience_s=0) as client:
            return [item["name"] for item in client.list_deployments() if item["name"].startswith(start)]
    except SeraiError:
        return []
