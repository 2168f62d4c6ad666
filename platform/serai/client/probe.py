"""Look whether something answers at an address, without a token and without trying again: for `serai doctor`."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from serai.domain.errors import ServerUnavailable

from .transport import check_url, open_client

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """An answer: its status, the header Date, and the JSON object it holds, empty for anything else."""

    status: int
    date: str
    values: dict[str, object] = field(default_factory=dict)


def probe(url: str) -> Probe:
    """Return what a GET answers; ServerUnavailable where nothing does, Invalid for what is no address."""
    check_url(url)
    try:
        with open_client(url, timeout=TIMEOUT_S) as client:
            response = client.get(url)
    except httpx.RequestError as error:
        raise ServerUnavailable(str(error) or type(error).__name__) from error
    try:
        values = response.json()
    except ValueError:
        values = {}
    return Probe(response.status_code, response.headers.get("date", ""), values if isinstance(values, dict) else {})
