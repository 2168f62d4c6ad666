"""Addresses at which listeners are reached."""

from __future__ import annotations


def make_url(host: str, port: int) -> str:
    """Return the address at which a listener on `host` is reached from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{reachable}:{port}"
