"""What a model does instead of listening where it should."""

from __future__ import annotations

import os
import time

from . import processes

_LOOPBACK = ("127.0.0.1", "::1")
_FIRST_S = 1.0
_LONGEST_S = 30.0


class Diagnosis:
    """Looks, less and less often, at the ports the descendants of this process listen on.

    `text` names a wrong port, "" while none is known. `hosts` are the addresses worth probing: loopback, and those
    of this machine the model was bound to instead.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._pause_s = _FIRST_S
        self._due = time.monotonic() + _FIRST_S
        self.text = ""
        self.hosts: tuple[str, ...] = _LOOPBACK

    def look(self, now: float) -> None:
        if now < self._due:
            return
        self._pause_s = min(_LONGEST_S, 2 * self._pause_s)
        self._due = now + self._pause_s
        sockets = processes.listening(processes.descendants(os.getpid()))
        self.hosts = _LOOPBACK + tuple(h for h, port in sockets if port == self._port and is_elsewhere(h))
        self.text = describe_ports(self._port, sorted({port for _, port in sockets}))


def describe_ports(wanted: int, seen: list[int]) -> str:
    """Return what to say about a model that listens on `seen`, "" if that explains nothing."""
    if not seen or wanted in seen:
        return ""
    ports = " and ".join(str(port) for port in seen[:3])
    noun = "port" if len(seen) == 1 else "ports"
    return (
        f"The process listens on {noun} {ports}, not on {wanted}:"
        f" let it listen on $PORT, or set `port: {seen[0]}` in the manifest."
    )


def is_elsewhere(host: str) -> bool:
    """True for an address of this machine other than loopback and `any`."""
    return host not in {*_LOOPBACK, "0.0.0.0", "::"} and not host.startswith("::ffff:")  # noqa: S104 - compared
