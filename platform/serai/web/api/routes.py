"""What gateways follow: the route table."""

from __future__ import annotations

from serai.domain.routes import dump_change
from serai.plugin.identity import Permission
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.queries import GatewayQuery, NamePath, RoutesQuery
from serai.web.shapes.wire import RoutesAnswer
from serai.web.waits import INDEX_HEADER, is_gone, wait_s

resource = Resource("routes", "For gateways: where requests go.")


@resource.on("GET", "/routes", Permission.GATEWAY, {200: RoutesAnswer}, waits=True)
def read_routes(call: Call, query: RoutesQuery) -> Answer:
    """Read the route table, or what has changed of it since `index`.

    A gateway names itself and the replicas it still carries requests to although they have left its table: they are
    stopped when no gateway does any more.
    """
    index, core = query.index or 0, call.core
    busy = [replica for replica in (query.busy or "").split(",") if replica]
    change = core.follow_routes(query.gateway or "", index, busy, 0.0)
    if change.index == index:
        change = call.waiting.read_routes(
            lambda timeout_s: core.routes.wait(index, timeout_s),
            lambda now: now.index != index,
            wait_s(query),
            is_gone(),
        )
    return Answer(dump_change(change), headers={INDEX_HEADER: str(change.index)})


@resource.on("POST", "/routes/<name>/wake", Permission.GATEWAY, {204: None}, refuses=(404,))
def wake_route(call: Call, path: NamePath, query: GatewayQuery) -> Answer:
    """Wake an idle deployment because requests for it wait at a gateway. Nothing happens if it is not idle."""
    text = f"by a request at gateway {query.gateway}" if query.gateway else "by a request"
    call.core.lifecycle.wake(path.name, call.caller.login, text)
    return Answer(None, 204)
