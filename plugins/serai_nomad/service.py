"""How a replica is reached and judged: its port, and the service with its check."""

from __future__ import annotations

from serai.domain.spec import CheckKind, Health

from .durations import nanoseconds
from .facts import Json
from .interpolation import check_literal
from .names import PORT_LABEL

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
        "Checks": [make_check(health)],
    }


def make_check(health: Health) -> Json:
    """Return the check that says whether a replica is ready; what is below Nomad's second becomes one."""
    check: dict[str, object] = {
        "Name": "ready",
        "Type": "tcp",
        "Interval": nanoseconds(health.interval_s, LEAST_CHECK_S),
        "Timeout": nanoseconds(health.timeout_s, LEAST_CHECK_S),
    }
    if health.kind is CheckKind.HTTP:
        check |= {"Type": "http", "Path": check_literal(health.path, "health.http"), "Method": "GET"}
    return check
