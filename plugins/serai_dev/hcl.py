"""The files of Nomad's configuration: fragments that come along, and the part that differs between agents.

`serai dev` and the Vagrantfile start agents with the same files, so both are what was tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DATA = Path(__file__).parent / "data"
DRAIN = DATA / "drain.hcl"


class Role(StrEnum):
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of an agent; a client listens on `http` alone, but has to name the others."""

    http: int = 4646
    rpc: int = 4647
    serf: int = 4648


@dataclass(frozen=True, slots=True)
class Node:
    """What makes one agent itself.

    `address` is the one that others know it by, `bind` the one it listens on ("": the same). `servers` are rpc
    addresses; `dynamic` is its range of ports for tasks.
    """

    role: Role
    name: str
    data_dir: Path
    address: str = "127.0.0.1"
    bind: str = ""
    interface: str = "lo"
    ports: Ports = Ports()
    servers: tuple[str, ...] = ()
    pool: str = "default"
    dynamic: tuple[int, int] | None = None
    memory_mb: int = 0
    plugin_dir: Path | None = None
    gpus: str = ""
    control: Path | None = None


def fragments(role: Role) -> tuple[Path, ...]:
    """Return the files that all agents of a role share."""
    return DATA / "agent.hcl", DATA / f"{role}.hcl"


def make_node_file(node: Node) -> str:
    """Return the file that makes one agent itself."""
    ports = {"http": node.ports.http, "rpc": node.ports.rpc, "serf": node.ports.serf}
    body: dict[str, object] = {
        "name": node.name,
        "data_dir": str(node.data_dir),
        "bind_addr": node.bind or node.address,
        "ports": ports,
        "advertise": {name: f"{node.address}:{port}" for name, port in ports.items()},
    }
    if node.role is Role.CLIENT:
        body |= _client_part(node)
    return "# Written by Serai; changes here are lost.\n" + "\n".join(_write(body)) + "\n"


def _client_part(node: Node) -> dict[str, object]:
    client: dict[str, object] = {
        "network_interface": node.interface,
        "node_pool": node.pool,
        "server_join": {"retry_join": list(node.servers), "retry_interval": "1s"},
    }
    if node.dynamic:
        client["min_dynamic_port"], client["max_dynamic_port"] = node.dynamic
    if node.memory_mb:
        client["memory_total_mb"] = node.memory_mb
    part: dict[str, object] = {"client": client}
    if node.plugin_dir:
        config: dict[str, object] = {"mode": "simulated", "models": [node.gpus] if node.gpus else [], "node": node.name}
        if node.control:
            config["control"] = str(node.control)
        part |= {"plugin_dir": str(node.plugin_dir), 'plugin "serai-gpu"': {"config": config}}
    return part


def _write(body: Mapping[str, object], depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    for key, value in body.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key} {{"
            yield from _write(value, depth + 1)
            yield f"{indent}}}"
        else:
            yield f"{indent}{key} = {_quote(value)}"


def _quote(value: object) -> str:
    """Return a value as HCL: JSON, but that `${` begins an interpolation."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
