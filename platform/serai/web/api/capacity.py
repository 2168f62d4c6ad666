"""What the machines have."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.web.dump import dump_capacity
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.answers import CapacityAnswer
from serai.web.shapes.queries import CapacityQuery

resource = Resource("capacity", "The machines: what they have, and what is taken.")


@resource.on("GET", "/capacity", Permission.READ, {200: CapacityAnswer}, refuses=(501, 502, 503))
def read_capacity(call: Call, query: CapacityQuery) -> Answer:
    """Tell what each machine has and what is promised, and what its GPUs come to."""
    nodes = call.core.scheduler.capacity()
    return Answer(dump_capacity([node for node in nodes if query.pool in {None, node.pool}]))
