"""How a replica is reached and judged: its port, and the service with its check.

Whether an HTTP path answers is for Nomad to check, on the replica's own node. Whether the port accepts a connection
is probed by Serai (see probe.py): Nomad 2.0 leaves the connections of its TCP checks open until its garbage collector
comes by, minutes later, and a model that serves one connection at a time answers nobody else until then.
"""

from __future__ import annotations

from serai.domain.spec import CheckKind, Health
from serai_nomad.facts import Json
from serai_nomad.names import PORT_LABEL, PROBE

from .durations import nanoseconds
from .interpolation import check_literal

LEAST_CHECK_S = 1.0  # of Nomad, for interval and time-out


def make_network(port: int | None, is_mapped: bool) -> Json:
    """Return the group's network: a free port, or the one a model insists on.

    `is_mapped`: a container has ports of its own, so that the fixed one is inside and any port of the node leads to it.
    """
    if port is None:
        return {"Mode": "host", "DynamicPorts": [{"Label": PORT_LABEL}]}
    if is_mapped:
        return {"Mode": "host", "DynamicPorts": [{"Label": PORT_LABEL, "To": port}]}
    return {"Mode": "host", "ReservedPorts": [{"Label": PORT_LABEL, "Value": port}]}


def make_service(workload_id: str, health: Health) -> Json:
    """Return the service of a workload; it is listed before it is ready, so the check is what counts."""
    return {
        "Name": workload_id,
        "Provider": "nomad",
        "PortLabel": PORT_LABEL,
        "Tags": ["serai"],
        **({"Checks": [make_check(health)]} if health.kind is CheckKind.HTTP else {}),
    }


def make_probe(health: Health) -> dict[str, str]:
    """Return the meta of a job that Serai probes itself, {} where Nomad checks."""
    return {} if health.kind is CheckKind.HTTP else {PROBE: f"{health.timeout_s:g}"}


def make_check(health: Health) -> Json:
    """Return the check that says whether a replica is ready; what is below Nomad's second becomes one.

    It asks for its connection to be closed, as one that is kept would block a model that serves one at a time.
    """
    return {
        "Name": "ready",
        "Type": "http",
        "Path": check_literal(health.path, "health.http"),
        "Method": "GET",
        "Header": {"Connection": ["close"]},
        "Interval": nanoseconds(health.interval_s, LEAST_CHECK_S),
        "Timeout": nanoseconds(health.timeout_s, LEAST_CHECK_S),
    }
