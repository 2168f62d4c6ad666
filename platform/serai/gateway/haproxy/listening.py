"""Make HAProxy's port refuse connections.

A worker whose frontend is shut down keeps the listening socket, so that a reload can take it over: callers would be
accepted by the system and wait for nobody. HAProxy hands copies of its sockets out; a copy that is shut down ends the
listening of all.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_TIMEOUT_S = 2.0
_MOST = 250


def refuse_connections(admin_socket: str, address: tuple[str, int]) -> None:
    """End the listening at `address`. Blocking; nothing happens where HAProxy is not there."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(admin_socket)
        for descriptor in _receive(connection):
            with socket.socket(fileno=descriptor) as copy:
                if copy.family != socket.AF_UNIX and copy.getsockname()[:2] == address:
                    copy.shutdown(socket.SHUT_RDWR)


def _receive(connection: socket.socket) -> list[int]:
    """Return copies of all sockets that HAProxy listens at: their number comes first, then they do."""
    connection.sendall(b"_getsocks\n")
    count = int.from_bytes(connection.recv(4), "little")
    received: list[int] = []
    while len(received) < count:
        _, descriptors, _, _ = socket.recv_fds(connection, 65536, _MOST)
        if not descriptors:
            break
        received += descriptors
        connection.sendall(len(descriptors).to_bytes(4, "little"))
    for descriptor in received:
        os.set_inheritable(descriptor, False)
    return received
