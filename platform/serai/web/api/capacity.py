"""What the machines have."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.web.dump import dump_capacity
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.answers import CapacityAnswer

resource = Resource("capacity", "The machines: what they have, and what is taken.")


@resource.on("GET", "/capacity", Permission.READ, {200: CapacityAnswer}, refuses=(501, 502, 503))
def read_capacity(call: Call) -> Answer:
    """Tell what each machine has and what is promised, and what its GPUs come to."""
    return Answer(dump_capacity(call.core.scheduler.capacity()))
