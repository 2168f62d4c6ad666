"""Stop all models, for `serai up --stop-replicas`."""

from __future__ import annotations

from collections.abc import Callable

from serai.client.client import Client
from serai.client.watch import watch_deployment

WAIT_S = 60.0


def stop_everything(server: str, token: str, say: Callable[[str], None], timeout_s: float = WAIT_S) -> None:
    """Stop what every deployment runs and wait until its replicas have ended, each at most `timeout_s`."""
    with Client(server, token) as client:
        names = [item["name"] for item in client.list_deployments()]
        for name in names:
            client.stop_deployment(name)
        for name in names:
            is_stopped = False
            for deployment in watch_deployment(client, name, timeout_s):
                live = [r for version in deployment["versions"] for r in version["replicas"] if r["live"]]
                if is_stopped := not live:
                    break
            say(f"{name} is stopped" if is_stopped else f"{name} is still shutting down")
