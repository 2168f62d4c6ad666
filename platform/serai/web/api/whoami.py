"""Who the caller is."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.web.dump import dump_identity
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.answers import IdentityAnswer

resource = Resource("whoami", "Who calls, with what permissions.")


@resource.on("GET", "/whoami", Permission.READ, {200: IdentityAnswer})
def read_whoami(call: Call) -> Answer:
    """Tell who calls."""
    return Answer(dump_identity(call.caller))
