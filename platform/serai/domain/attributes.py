"""The names under which Serai's figures, lines and spans go out by OpenTelemetry, and come in.

Where the semantic conventions have a name it is theirs; the others begin with `serai.`.
"""

from __future__ import annotations

# Of whom something is told: attributes of spans and of points, of the resource where it is a replica's own.
DEPLOYMENT = "serai.deployment"
VERSION = "serai.version"
REPLICA = "serai.replica"
KEY_ID = "serai.key_id"
# The name of a gateway that is not one of ours: it makes `/v1/traces` count a server span as a request. Never on spans
# that we send out: our gateways have counted those, and they may come back through a collector.
GATEWAY = "serai.gateway"

# The three clocks of a request, in seconds; `serai.domain.window.Clock` names them.
CLOCK_TOTAL = "serai.clock.total"
CLOCK_FIRST_BYTE = "serai.clock.first_byte"
CLOCK_QUEUE = "serai.clock.queue"

# `2xx`: windows know no more of a status. A span has STATUS_CODE.
STATUS_CLASS = "serai.status_class"
STATUS_CODE = "http.response.status_code"

METHOD = "http.request.method"
METHOD_ORIGINAL = "http.request.method_original"
REQUEST_BYTES = "http.request.body.size"
RESPONSE_BYTES = "http.response.body.size"
PATH = "url.path"
SCHEME = "url.scheme"
PROTOCOL_VERSION = "network.protocol.version"
ERROR_TYPE = "error.type"

RESOURCE_VARIABLE = "OTEL_RESOURCE_ATTRIBUTES"
"""The environment variable from which OpenTelemetry's SDKs take attributes of all that a process tells."""

SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE = "service.instance.id"


def make_resource(deployment: str, version: int, replica: str) -> str:
    """Return the value of RESOURCE_VARIABLE for a replica: spans of an instrumented model say whose they are."""
    return f"{DEPLOYMENT}={deployment},{VERSION}={version},{REPLICA}={replica}"
