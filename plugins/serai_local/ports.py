"""Ports of this machine: which are free, and who holds one. Standard library only: the shim uses it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection

_NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
_TRIES = 1000


def choose_port(first: int, last: int, taken: Collection[int]) -> int | None:
    """Return a free port from `first` to `last` that is not in `taken`, or None.

    The range should not be the one the system takes ports for outgoing connections from: there another program could
    come by the port between this choice and the model's `listen`.
    """
    start = first + int.from_bytes(os.urandom(4), "big") % (last - first + 1)  # servers may share a machine
    for step in range(min(_TRIES, last - first + 1)):
        port = first + (start - first + step) % (last - first + 1)
        if port not in taken and is_free(port):
            return port
    return None


def is_free(port: int) -> bool:
    """True if nothing listens on `port`, on whatever address."""
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - tried, not listened on
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
        except PermissionError:
            return True  # a low port: the model will say so itself
        except OSError as error:
            if family == socket.AF_INET or error.errno not in _NO_IPV6:
                return False
    return True
