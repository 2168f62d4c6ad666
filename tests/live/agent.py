"""One Nomad agent as a process that tests may start, stop, kill, freeze and start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.live import leftovers
from tests.live.api import HarnessApi, Refused
from tests.live.docker import remove_containers
from tests.live.options import Options, make_client_part, make_configuration, merge
from tests.live.ports import PortBlock
from tests.waiting import eventually


class Agent:
    """A server, a client or both, in a folder of its own that outlives restarts.

    `api` calls it with a token that may do everything; `address` is http://host:port; `log` its log file.
    Use it as a context manager: at the end nothing of it is left.
    """

    def __init__(
        self, folder: Path, nomad: Path, name: str, ports: PortBlock, configuration: dict[str, Any], *flags: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = name
        self.ports = ports
        self.configuration = configuration
        self.address = f"http://{configuration['bind_addr']}:{ports.http}"
        self.api = HarnessApi(self.address)
        self.log = folder / "agent.log"
        self.docker = ""  # the address of the Docker daemon that runs its containers
        self._command = [str(nomad), "agent", *flags, "-config", str(folder / "agent.json")]
        self._nomad = nomad
        self._process: subprocess.Popen[bytes] | None = None

    # its life

    def start(self) -> Agent:
        """Start the process; `wait_ready` tells when it works."""
        (self.folder / "agent.json").write_text(json.dumps(self.configuration, indent=2))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
            )
        return self

    def wait_ready(self, timeout_s: float = 30) -> Agent:
        """Wait until it knows a leader and, if it is a client, its node is ready."""
        eventually(self._is_ready, timeout_s, 0.05)
        return self

    def stop(self, timeout_s: float = 20) -> None:
        """End it in order. A `-dev` agent ends its tasks, a client leaves them running."""
        self._end(signal.SIGINT, timeout_s)

    def kill(self) -> None:
        """End it by SIGKILL; its tasks run on."""
        self._end(signal.SIGKILL, 10)

    def pause(self) -> None:
        """Freeze it, as a partition would; its tasks run on."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def restart(self, how: signal.Signals = signal.SIGINT) -> Agent:
        """End it by `how` and start it with the same data, ports and configuration."""
        self._end(how, 20)
        return self.start().wait_ready()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; raise RuntimeError while it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} does not run; its log ends:\n{self.tail()}")
        return self._process.pid

    def close(self) -> None:
        """End the agent, its plugins and tasks; free its ports."""
        if self.is_running:
            self.kill()
        if self.docker:
            for allocation in leftovers.allocations(self.folder):
                remove_containers(self.docker, f"com.hashicorp.nomad.alloc_id={allocation}")
        leftovers.clear(self.folder)
        self.ports.release()

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # use

    @property
    def is_client(self) -> bool:
        return "client" in self.configuration

    @property
    def node_id(self) -> str:
        """The id of its node; raise RuntimeError if it is no client that registered."""
        row = self.api.node(self.name)
        if row is None:
            raise RuntimeError(f"{self.name} has no node yet; its log ends:\n{self.tail()}")
        return str(row["ID"])

    @property
    def drivers(self) -> frozenset[str]:
        """The drivers that work on its node."""
        row = self.api.node(self.name) or {"Drivers": {}}
        return frozenset(name for name, driver in row["Drivers"].items() if driver["Detected"] and driver["Healthy"])

    def run(self, *arguments: str, stdin: str = "", timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the `nomad` command against this agent."""
        env = os.environ | {"NOMAD_ADDR": self.address, "NOMAD_TOKEN": self.api.token}
        command = [str(self._nomad), *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=env, timeout=timeout_s, check=False
        )

    def tail(self, characters: int = 3000) -> str:
        """Return the end of the agent's log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def _environment(self) -> dict[str, str]:
        foreign = ("NOMAD_", "SERAI_", "PYTEST", "CUDA_", "NVIDIA_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return kept | {leftovers.MARK: str(self.folder)}

    def _is_ready(self) -> bool:
        _ = self.pid
        try:
            if not self.api.get("/v1/status/leader"):
                return False
            row = self.api.node(self.name) if self.is_client else {"Status": "ready"}
        except (Refused, OSError):
            return False
        return row is not None and row["Status"] == "ready"

    def _end(self, how: signal.Signals, timeout_s: float) -> None:
        self._signal(how)
        self.resume()
        if self._process is not None:
            self._process.wait(timeout_s)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def make_dev_agent(folder: Path, nomad: Path, **options: Any) -> Agent:
    """Start a `-dev` agent, server and client in one process, and wait until it works.

    The options are the fields of `Options`. With `acl` the agent's api has the bootstrap token. Its replicas end with
    it: take a Cluster where they must survive restarts.
    """
    chosen = Options(**options)
    ports = PortBlock()
    configuration = make_configuration(f"dev-{ports.first}", folder, ports, chosen) | make_client_part(
        folder, ports, chosen
    )
    agent = Agent(folder, nomad, f"dev-{ports.first}", ports, merge(configuration, chosen.extra), "-dev")
    agent.docker = chosen.docker
    try:
        agent.start()
        if chosen.acl:
            agent.api.token = bootstrap(agent.api)
        agent.wait_ready()
        set_oversubscription(agent.api, chosen.oversubscription)
    except BaseException:
        agent.close()
        raise
    return agent


def bootstrap(api: HarnessApi, timeout_s: float = 30) -> str:
    """Return the first token of a cluster with ACLs, as soon as it has a leader."""

    def ask() -> str:
        try:
            return str(api.put("/v1/acl/bootstrap")["SecretID"])
        except (Refused, OSError):
            return ""

    return eventually(ask, timeout_s, 0.1)


def set_oversubscription(api: HarnessApi, enabled: bool) -> None:
    """Say whether a task's memory_max counts."""
    if enabled:
        current = api.get("/v1/operator/scheduler/configuration")["SchedulerConfig"]
        api.put("/v1/operator/scheduler/configuration", current | {"MemoryOversubscriptionEnabled": True})
