"""Ports for servers that have to be told one before they listen."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port of this machine that nothing listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
