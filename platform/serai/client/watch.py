"""Follow something that changes by blocking reads, over restarts of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

from serai.domain.errors import ServerUnavailable

from .answers import DeploymentAnswer, EventAnswer, VersionAnswer
from .backoff import make_pauses
from .client import Client, deployment_path, version_path

WAIT_S = 30.0
PATIENCE_S = 120.0


def watch_version(client: Client, name: str, number: int, timeout_s: float | None = None) -> Iterator[VersionAnswer]:
    """Yield the version now and whenever it changes, until `timeout_s` has passed (None: for ever)."""
    for value in _watch(client, version_path(name, number), timeout_s):
        yield cast(VersionAnswer, value)


def watch_deployment(client: Client, name: str, timeout_s: float | None = None) -> Iterator[DeploymentAnswer]:
    """Yield the deployment now and whenever it changes, until `timeout_s` has passed (None: for ever)."""
    for value in _watch(client, deployment_path(name), timeout_s):
        yield cast(DeploymentAnswer, value)


def watch_events(client: Client, name: str | None, after: int) -> Iterator[list[EventAnswer]]:
    """Yield the events behind the id `after` as they come, oldest first, for ever."""
    path = f"{deployment_path(name)}/events" if name else "/events"
    for value in _watch(client, path, None):
        fresh = sorted((event for event in value if event["id"] > after), key=lambda event: int(event["id"]))
        if fresh:
            after = int(fresh[-1]["id"])
            yield cast(list[EventAnswer], fresh)


def _watch(client: Client, path: str, timeout_s: float | None) -> Iterator[Any]:
    """Yield answers; a server that is away is waited for (PATIENCE_S), then ServerUnavailable is raised."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    index, seen = 0, None
    pauses = make_pauses(PATIENCE_S)
    while True:
        left_s = WAIT_S if deadline is None else deadline - time.monotonic()
        if left_s <= 0 and seen is not None:
            return
        try:
            value, index = client.read(path, index, max(0.0, min(WAIT_S, left_s)))
        except ServerUnavailable:
            pause_s = next(pauses, None)
            if pause_s is None or left_s <= 0:
                raise
            time.sleep(min(pause_s, max(0.0, left_s)))
            index = 0  # a new server counts anew
            continue
        pauses = make_pauses(PATIENCE_S)
        if value != seen:
            seen = value
            yield value
