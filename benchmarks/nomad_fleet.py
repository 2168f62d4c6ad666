"""What the benchmark `nomad` measures on: an agent whose replicas are mocks, and the ports that they should open.

Jobs are deployed by Serai's own parts and are what it renders, but for the task, which an operator's template turns
into one of Nomad's `mock_driver`: it is said to run and is no process. Readiness is real all the same: replicas are
probed at their ports by Serai as ever, and it is the benchmark that listens there, or does not yet.
"""

from __future__ import annotations

import errno
import resource
import shutil
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from serai.app.compose import compose
from serai.config.configuration import load_configuration
from serai.domain.manifest import parse_manifest
from serai.reconcile.actions import Submit
from serai.reconcile.foreign import Expectations
from serai.reconcile.perform import Performer
from serai.store.versions import get_version
from tests.live.agent import Agent
from tests.live.options import Options, make_client_part, make_configuration, merge
from tests.live.ports import PortBlock
from tests.live.serai_server import dump_toml, make_place
from tests.system.installation import Installation
from tests.waiting import eventually

INSTANCE = "benchmark"
# Without statistics and log collectors: one process for each task would be more than the machine holds.
TEMPLATE = """
job "shape" {
  group "model" {
    network {
      port "http" {}
    }
    task "server" {
      driver = "mock_driver"
      config {
        run_for = "24h"
      }
      logs {
        disabled = true
      }
      resources {
        cpu    = 1
        memory = 10
      }
    }
  }
}
"""


class Ports:
    """A window of ports of 127.0.0.1, all taken from the start, so that nobody else listens there; `open` listens.

    Connections are accepted by the kernel and left to it: whoever probes closes them.
    """

    def __init__(self, size: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, size + 2_000)), hard))
        windows = (_take(first, size) for first in range(20_000, 32_700 - size, 50))
        self._sockets = next((taken for taken in windows if taken), {})
        if not self._sockets:
            raise RuntimeError(f"no {size} free ports in a row between 20000 and 32700; name fewer jobs")
        self.first, self.last = min(self._sockets), max(self._sockets)

    def open(self, ports: Iterable[int]) -> None:
        for port in ports:
            self._sockets[port].listen(4_096)

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()


def _take(first: int, size: int) -> dict[int, socket.socket]:
    """Return bound sockets of `size` ports, {} if one of them is in use."""
    taken: dict[int, socket.socket] = {}
    for port in range(first, first + size):
        each = taken[port] = socket.socket()
        try:
            each.bind(("127.0.0.1", port))
        except OSError as error:
            for one in taken.values():
                one.close()
            if error.errno == errno.EADDRINUSE:
                return {}
            raise
    return taken


class MockAgent(Agent):
    """A `-dev` agent that runs as nobody: so its tasks have no mounts and control groups that somebody must remove."""

    def __init__(self, folder: Path, nomad: Path, ports: Ports) -> None:
        own = PortBlock()
        options = Options(raw_exec=False, exec=False, statistics=False, memory_mb=10**6, gc_max_allocs=10**5)
        configuration = make_configuration("benchmark", folder, own, options) | make_client_part(folder, own, options)
        client = {
            "cpu_total_compute": 10**6,
            "disk_total_mb": 10**7,
            "disk_free_mb": 10**7,
            "min_dynamic_port": ports.first,
            "max_dynamic_port": ports.last,
        }
        extra = {"client": client, "log_level": "ERROR", "telemetry": {"collection_interval": "60s"}}
        super().__init__(folder, nomad, "benchmark", own, merge(configuration, extra), "-dev")
        shutil.chown(folder, "nobody", "nogroup")
        self._command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *self._command]

    def close(self) -> None:
        if self.is_running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ports.release()


def make_serai(folder: Path, agent: Agent) -> Installation:
    """Return an installation, not started, whose models are mocks on `agent`."""
    folder.mkdir(parents=True)
    template = folder / "mock.nomad.hcl"
    template.write_text(TEMPLATE)
    table = make_place(agent) | {"instance": INSTANCE, "template": str(template)}
    choice = {"plugins": "nomad", "scheduler": "nomad", "tick": "3s"}
    return Installation(folder, choice, dump_toml({"plugin.nomad": table}))


def deploy(serai: Installation, names: Iterable[str], replicas: int) -> None:
    """Do what the server of `serai`, which is not running, would do when asked to deploy these, but eight at a time."""
    choice = {"SERAI_" + key.upper(): str(value) for key, value in serai.settings.items()}
    configuration = load_configuration(serai.config, choice, {"data": str(serai.data)})
    with closing(compose(configuration, serai.url, serai.gateway)) as made, ThreadPoolExecutor(8) as pool:
        core, spec = made.core, {"image": "mock/model:1", "replicas": replicas, "start_timeout": "1h"}
        performer = Performer(core.db, core.scheduler, Expectations(), core.clock)
        workloads = []
        for name in names:
            core.lifecycle.deploy(parse_manifest({"name": name, **spec}), "benchmark")
            version = get_version(core.db, name, 1)
            workloads.append(performer.make_workload(Submit(name, 1, version.run_digest, replicas)))
        list(pool.map(core.scheduler.submit, [workload for workload in workloads if workload]))


def running_ports(agent: Agent) -> dict[str, int]:
    """Return the port of each running replica, by allocation."""
    rows = agent.api.get("/v1/allocations", resources="true", task_states="false", filter='ClientStatus == "running"')
    return {row["ID"]: port["Value"] for row in rows for port in row["AllocatedResources"]["Shared"]["Ports"]}


def await_running(agent: Agent, ports: Ports, count: int, timeout_s: float) -> None:
    """Open the ports of replicas as they come to run, until `count` run."""

    def run() -> bool:
        found = running_ports(agent)
        ports.open(found.values())
        return len(found) >= count

    eventually(run, timeout_s, 4.0)


def make_copy(agent: Agent, job: str, id: str, count: int = 1, **config: Any) -> dict[str, Any]:
    """Return a job like one of Serai's under another id; `config` is what its mock is told besides."""
    made: dict[str, Any] = agent.api.get(f"/v1/job/{job}") | {"ID": id, "Name": id}
    group = made["TaskGroups"][0]
    group["Count"] = count
    group["Tasks"][0]["Config"] |= config
    for service in group["Services"]:
        service["Name"] = id
    return made
