"""Whether the server is there."""

from __future__ import annotations

import serai
from serai.web.dump import dump_instant
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.answers import HealthAnswer

resource = Resource("health", "Whether the server is there.", prefix="")


@resource.on("GET", "/healthz", None, {200: HealthAnswer})
def read_health(call: Call) -> Answer:
    """Tell that the server answers, and how fresh its picture is. Needs no token."""
    return Answer(
        {
            "status": "ok",
            "version": serai.__version__,
            "started_at": dump_instant(call.core.started_at),
            "scheduler": call.core.cluster.freshness.value,
        }
    )
