"""Blocks of ports for agents: reserved among all test processes of this machine, and free again when one dies."""

from __future__ import annotations

import socket
from collections.abc import Iterator

# Below the ports that the kernel hands out (32768 and up) and those that Nomad gives to tasks by itself (20000 to
# 32000), so that neither a client's connection nor somebody else's agent takes one in between.
_FIRST, _LAST, _SIZE = 10_000, 19_800, 200
_OWN = 10


class PortBlock:
    """Ports of one agent: three of its own and a range for its tasks. The first port, listened on, is the lock."""

    def __init__(self) -> None:
        self._lock = next(_locks(), None)
        if self._lock is None:
            raise RuntimeError(f"no free block of ports between {_FIRST} and {_LAST + _SIZE}: are old agents left?")
        self.first: int = self._lock.getsockname()[1]

    @property
    def http(self) -> int:
        return self.first + 1

    @property
    def rpc(self) -> int:
        return self.first + 2

    @property
    def serf(self) -> int:
        return self.first + 3

    @property
    def lowest(self) -> int:
        """The first port for tasks."""
        return self.first + _OWN

    @property
    def highest(self) -> int:
        """The last port for tasks."""
        return self.first + _SIZE - 1

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()


def _locks() -> Iterator[socket.socket]:
    for first in range(_FIRST, _LAST + 1, _SIZE):
        try:
            lock = socket.create_server(("127.0.0.1", first))
        except OSError:
            continue
        if all(_is_free(first + offset) for offset in range(1, 4)):
            yield lock
        else:
            lock.close()


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
