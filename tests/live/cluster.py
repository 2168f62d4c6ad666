"""Servers and clients of Nomad on loopback, each a process of its own, so that one can die and the others go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.live.agent import Agent, bootstrap, set_oversubscription
from tests.live.api import HarnessApi, Refused
from tests.live.options import Options, make_client_part, make_configuration, make_server_part, merge
from tests.live.ports import PortBlock
from tests.waiting import eventually

ClientOptions = Mapping[str, Any]


class Cluster:
    """A cluster that works once made. `servers` and `clients` are Agents; `api` asks the first server that answers.

    `clients` is a number, or a list of one mapping of options for each client, over `options` that hold for all.
    Heartbeats are fast: a dead client is noticed after about 3 s. With `acl`, every api has the first token.
    """

    def __init__(
        self, folder: Path, nomad: Path, servers: int = 3, clients: int | Sequence[ClientOptions] = 2, **options: Any
    ) -> None:
        self._folder = folder
        self._nomad = nomad
        self._options = Options(**options)
        self.servers: list[Agent] = []
        self.clients: list[Agent] = []
        self.token = ""
        try:
            self._start_servers(servers)
            for each in [{}] * clients if isinstance(clients, int) else clients:
                self.add_client(wait=False, **each)
            for client in self.clients:
                client.wait_ready()
        except BaseException:
            self.close()
            raise

    # what there is

    @property
    def api(self) -> HarnessApi:
        """Calls to the first server that runs."""
        return next(server for server in self.servers if server.is_running).api

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers' addresses."""
        return tuple(server.address for server in self.servers)

    def leader(self) -> Agent:
        """Return the server that leads, waiting for one."""
        return eventually(lambda: [agent for agent in [self._find_leader()] if agent], 20, 0.05)[0]

    def client_of(self, node_id: str) -> Agent:
        """Return the client whose node has that id."""
        name = self.api.get(f"/v1/node/{node_id}")["Name"]
        return next(client for client in self.clients if client.name == name)

    # what may happen

    def kill_leader(self) -> Agent:
        """Kill the server that leads and return it; `start()` brings it back."""
        leader = self.leader()
        leader.kill()
        return leader

    def add_client(self, wait: bool = True, **options: Any) -> Agent:
        """Start one more client."""
        chosen = replace(self._options, **options)
        rpc = tuple(f"127.0.0.1:{server.ports.rpc}" for server in self.servers)
        ports = PortBlock()
        name = f"client-{len(self.clients) + 1}"
        part = make_client_part(self._folder / name, ports, chosen, rpc)
        agent = self._make(name, ports, chosen, part)
        self.clients.append(agent)
        agent.start()
        return agent.wait_ready() if wait else agent

    def drain(self, client: Agent, deadline_s: float = 60) -> None:
        self.api.drain(client.node_id, deadline_s)

    def end_drain(self, client: Agent) -> None:
        self.api.end_drain(client.node_id)

    def set_eligible(self, client: Agent, eligible: bool) -> None:
        self.api.set_eligible(client.node_id, eligible)

    def make_token(self, policy: str, name: str = "limited") -> str:
        """Return the secret of a token that may do what `policy` (HCL) says."""
        self.api.put(f"/v1/acl/policy/{name}", {"Name": name, "Rules": policy})
        made = self.api.put("/v1/acl/token", {"Name": name, "Type": "client", "Policies": [name]})
        return str(made["SecretID"])

    def close(self) -> None:
        for agent in [*self.clients, *self.servers]:
            agent.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_servers(self, count: int) -> None:
        blocks = [PortBlock() for _ in range(count)]
        for number, ports in enumerate(blocks, 1):
            others = tuple(f"127.0.0.1:{other.serf}" for other in blocks if other is not ports)
            part = make_server_part(count, others)
            self.servers.append(self._make(f"server-{number}", ports, self._options, part).start())
        if self._options.acl:
            self.token = bootstrap(self.servers[0].api)
        for server in self.servers:
            server.api.token = self.token
            server.wait_ready()
        set_oversubscription(self.api, self._options.oversubscription)

    def _make(self, name: str, ports: PortBlock, options: Options, part: Mapping[str, Any]) -> Agent:
        folder = self._folder / name
        configuration = make_configuration(name, folder, ports, options)
        agent = Agent(folder, self._nomad, name, ports, merge(merge(configuration, part), options.extra))
        agent.api.token, agent.docker = self.token, options.docker
        return agent

    def _find_leader(self) -> Agent | None:
        for server in self.servers:
            if server.is_running:
                try:
                    rpc = server.api.get("/v1/status/leader")
                except (Refused, OSError):
                    continue
                return next(
                    (each for each in self.servers if rpc.endswith(f":{each.ports.rpc}") and each.is_running), None
                )
        return None
