"""All resources of the API, in the order of the document."""

from __future__ import annotations

from .api import (
    bundles,
    capacity,
    deployments,
    events,
    exposition,
    health,
    keys,
    logs,
    metrics,
    plugins,
    routes,
    sign_in,
    teams,
    telemetry,
    tokens,
    traces,
    users,
    versions,
    whoami,
)
from .endpoint import Endpoint, Resource

RESOURCES: tuple[Resource, ...] = (
    deployments.resource,
    versions.resource,
    bundles.resource,
    logs.resource,
    metrics.resource,
    exposition.resource,
    events.resource,
    keys.resource,
    tokens.resource,
    users.resource,
    teams.resource,
    capacity.resource,
    plugins.resource,
    sign_in.resource,
    whoami.resource,
    routes.resource,
    telemetry.resource,
    traces.resource,
    health.resource,
)


def all_endpoints() -> list[Endpoint]:
    return [endpoint for resource in RESOURCES for endpoint in resource.endpoints]
