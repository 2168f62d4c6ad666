"""Find out before anything starts whether a port can be had, and say who has it if not."""

from __future__ import annotations

import contextlib
import os
import socket
import time

from serai.domain.errors import Conflict

GRACE_S = 3.0  # a server that is just ending gives its port back within this


def claim_port(host: str, port: int, option: str, grace_s: float = GRACE_S) -> int:
    """Return `port` if it is free on `host`, or a free one for 0. Conflict names the port, its holder and `option`."""
    deadline_s = time.monotonic() + grace_s
    while True:
        try:
            return _try_port(host, port)
        except OSError as error:
            if time.monotonic() > deadline_s:
                cause = _find_holder(port) or os.strerror(error.errno or 0).lower()
                message = f"port {port} on {host} cannot be used: {cause}; choose another with {option} N"
                raise Conflict(message, "port-in-use") from error
        time.sleep(0.1)


def _try_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _find_holder(port: int) -> str:
    """Return `python (process 123) has it`, or "" where that cannot be told."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                name = psutil.Process(connection.pid).name() if connection.pid else "another program"
                return f"{name} (process {connection.pid}) has it"
    return ""
