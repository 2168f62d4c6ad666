"""The agents of a development cluster: their files, their commands, and whether they work."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from .calls import Nomad, Refused
from .folder import Folder
from .hcl import DRAIN, Node, Ports, Role, fragments, make_node_file
from .ports import TaskPorts, choose_client_ports
from .process import Part

POOL = "gpu"
GRACE_S = 30.0


def make_server_node(folder: Folder, ports: Ports) -> Node:
    return Node(Role.SERVER, "server", folder.agent("server") / "data", ports=ports)


def make_client_nodes(
    folder: Folder, server: str, task_ports: TaskPorts, gpus: Sequence[str], count: int
) -> Iterator[Node]:
    """Yield the clients of the server with the rpc address `server`; `gpus` are dealt in turn, one value for each."""
    for number in range(count):
        name = f"client-{number + 1}"
        yield Node(
            Role.CLIENT,
            name,
            folder.agent(name) / "data",
            ports=choose_client_ports(),
            servers=(server,),
            pool=POOL,
            dynamic=task_ports.take(),
            plugin_dir=folder.plugins,
            gpus=gpus[number % len(gpus)] if gpus else "",
            control=folder.control(name),
        )


def make_part(folder: Folder, nomad: Path, node: Node) -> Part:
    """Write the agent's own file and return how to run it."""
    node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = folder.agent(node.name) / "node.hcl"
    own.write_text(make_node_file(node), encoding="utf-8")
    drain = (DRAIN,) if node.role is Role.CLIENT else ()
    files = [word for path in (*fragments(node.role), *drain, own) for word in ("-config", str(path))]
    return Part(node.name, (str(nomad), "agent", *files), signal.SIGINT, GRACE_S, folder.logs / f"{node.name}.log")


def find_waiting(manager: Nomad, nodes: Sequence[Node]) -> list[Node]:
    """Return the clients that are not ready yet: that do not answer, or that the server does not count on."""
    ready = {row["Name"] for row in manager.get("/v1/nodes") if row["Status"] == "ready"}
    return [node for node in nodes if node.name not in ready or not _answers(node)]


def _answers(node: Node) -> bool:
    """Return whether the client has reached the server since its start; its row may be that of an earlier one."""
    try:
        return bool(Nomad(f"http://{node.address}:{node.ports.http}").get("/v1/agent/health?type=client"))
    except (OSError, Refused):
        return False


def open_client(manager: Nomad, name: str) -> None:
    """Let jobs be placed on this client."""
    for row in manager.get("/v1/nodes"):
        if row["Name"] == name and row["SchedulingEligibility"] != "eligible":
            manager.put(f"/v1/node/{row['ID']}/eligibility", {"NodeID": row["ID"], "Eligibility": "eligible"})


def drain(manager: Nomad, names: Sequence[str]) -> list[str]:
    """Tell all tasks of these clients to end now, and have none placed there; return the nodes' ids."""
    nodes = [row["ID"] for row in manager.get("/v1/nodes") if row["Name"] in names and row["Status"] == "ready"]
    for node in nodes:
        spec = {"Deadline": -1, "IgnoreSystemJobs": False}  # negative: no migrating one by one, all at once
        manager.put(f"/v1/node/{node}/drain", {"NodeID": node, "DrainSpec": spec, "MarkEligible": False})
    return nodes


def count_running(manager: Nomad, nodes: Sequence[str]) -> int:
    """Return how many allocations on these nodes have not ended."""
    live = quote('ClientStatus == "running" or ClientStatus == "pending"')
    rows = manager.get(f"/v1/allocations?namespace=*&filter={live}")
    return sum(row["NodeID"] in nodes for row in rows)
