"""What the machines have."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.reconcile.tenants import find_tenants
from serai.web.dump import dump_capacity
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.answers import CapacityAnswer
from serai.web.shapes.queries import CapacityQuery

resource = Resource("capacity", "The machines: what they have, and what is taken.")


@resource.on("GET", "/capacity", Permission.READ, {200: CapacityAnswer}, refuses=(501, 502, 503))
def read_capacity(call: Call, query: CapacityQuery) -> Answer:
    """Tell what each machine has, what is promised and to whom, and what its GPUs come to."""
    nodes = [node for node in call.core.scheduler.capacity() if query.pool in {None, node.pool}]
    return Answer(dump_capacity(nodes, find_tenants(call.core.cluster.views(), call.core.cluster.usage())))
