"""Does the port of a replica accept a connection: asked by Serai itself, which closes what it opens.

A refusal comes from the replica's own machine and says that nobody listens. Silence says nothing of the replica: the
way to it may be closed, or its machine busy. So silence keeps a ready replica ready, until Nomad says that its node
is gone, and a gateway that cannot reach it either routes around it.
"""

from __future__ import annotations

import os
import socket
import time

from serai_nomad.facts import Json

SILENT = "Silent"


def probe_tcp(address: str, timeout_s: float) -> Json:
    """Return the outcome in the form of Nomad's check results, with SILENT set where nothing answered."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as connection:
            # On one machine, a port that nobody listens on may be the very one that this connection comes from.
            is_self = connection.getsockname() == connection.getpeername()
    except ConnectionRefusedError:
        return _refused(address)
    except TimeoutError:
        return _outcome("failure", f"nomad: dial tcp {address}: i/o timeout", is_silent=True)
    except OSError as error:
        return _outcome("failure", f"nomad: dial tcp {address}: connect: {os.strerror(error.errno or 0).lower()}")
    return _refused(address) if is_self else _outcome("success", "nomad: tcp ok")


def is_silent(outcome: Json | None) -> bool:
    return any(check.get(SILENT) for check in (outcome or {}).values())


def _refused(address: str) -> Json:
    return _outcome("failure", f"nomad: dial tcp {address}: connect: connection refused")


def _outcome(status: str, output: str, is_silent: bool = False) -> Json:
    check = {"Check": "ready", "Status": status, "Output": output, "Timestamp": time.time(), SILENT: is_silent}
    return {"serai": check}
