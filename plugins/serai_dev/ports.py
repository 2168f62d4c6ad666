"""Ports of a development cluster: those of servers stay the same for good, clients take what is free."""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from serai.domain.errors import Conflict

from .hcl import Ports

HOST = "127.0.0.1"
State = MutableMapping[str, Any]
# Tasks' ports: below those that the kernel hands out (from 32768), so that no connection takes one in between.
_FIRST, _LAST, _SIZE = 20_000, 31_900, 100


@dataclass(frozen=True, slots=True)
class Wish:
    """A port as an option asked for it: None for no word, 0 for any."""

    option: str
    default: int
    port: int | None


def keep_port(state: State, name: str, wish: Wish) -> int:
    """Return the port `name` of the last start, else the wish; kept in `state`. Conflict where it cannot be had.

    It stays for good: jobs name the address at which they fetch their files, and Nomad's storage its own.
    """
    kept = state.get(name)
    if kept and wish.port not in {None, 0, kept}:
        raise Conflict(f"this cluster has port {kept} for good; leave {wish.option} out, or begin anew with --reset")
    port = take_port(int(kept or (wish.default if wish.port is None else wish.port)), "" if kept else wish.option)
    state[name] = port
    return port


def keep_server_ports(state: State, http: int | None) -> Ports:
    """Return the ports of Nomad's server."""
    return Ports(
        keep_port(state, "nomad_port", Wish("--nomad-port", 4646, http)),
        keep_port(state, "rpc_port", Wish("", 0, 0)),
        keep_port(state, "serf_port", Wish("", 0, 0)),
    )


def choose_client_ports() -> Ports:
    """Return free ports of a client."""
    return Ports(*(take_port(0, "") for _ in range(3)))


def take_port(port: int, option: str) -> int:
    """Return `port` if it is free, or a free one for 0. Conflict names it, and the option that changes it, if any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            way_out = f"choose another with {option} N (0: a free one)" if option else "end that program"
            raise Conflict(f"port {port} on {HOST} is in use; {way_out}", "port-in-use") from error
        return int(probe.getsockname()[1])


class TaskPorts:
    """Ranges of ports for the tasks of clients, disjoint among all that run on this machine.

    All clients here share one machine, but each books ports for itself. A range is held by listening on its first
    port, which tells other development clusters, too.
    """

    def __init__(self) -> None:
        self._locks: list[socket.socket] = []

    def take(self) -> tuple[int, int]:
        """Return (first, last) of a range that nobody else has."""
        for first in range(_FIRST, _LAST, _SIZE):
            try:
                self._locks.append(socket.create_server((HOST, first)))
            except OSError:
                continue
            return first + 1, first + _SIZE - 1
        raise Conflict(f"no range of {_SIZE} ports between {_FIRST} and {_LAST} is free", "port-in-use")

    def close(self) -> None:
        for lock in self._locks:
            lock.close()
