"""The harness itself: agents start, survive what tests do to them, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.live import leftovers
from tests.live.agent import Agent
from tests.live.api import HarnessApi, Refused
from tests.live.cluster import Cluster
from tests.live.conftest import AgentFactory, ClusterFactory
from tests.live.docker import Dockerd
from tests.live.jobs import SLEEP, make_config, make_job
from tests.live.surroundings import missing
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("driver", ["raw_exec", "exec", "docker"])
def test_a_job_runs_and_its_namespace_is_emptied(agent: Agent, driver: str, request: pytest.FixtureRequest) -> None:
    image = request.getfixturevalue("docker_image") if driver == "docker" else ""
    assert driver in agent.drivers
    with agent.api.namespace() as namespace:
        config = make_config(driver, SLEEP, image)
        agent.api.register(make_job("sleeper", config, driver, Namespace=namespace))
        (allocation,) = agent.api.wait_running("sleeper", namespace=namespace)
        eventually(lambda: agent.api.get(f"/v1/client/allocation/{allocation}/stats")["ResourceUsage"]["MemoryStats"])
    assert namespace not in {row["Name"] for row in agent.api.get("/v1/namespaces")}


def test_nothing_of_an_agent_is_left(fresh_agent: AgentFactory) -> None:
    agent = fresh_agent(node_class="small", meta={"rack": "r1"}, memory_mb=2048)
    node = agent.api.get(f"/v1/node/{agent.node_id}")
    assert (node["NodeClass"], node["Meta"]["rack"]) == ("small", "r1")
    assert node["NodeResources"]["Memory"]["MemoryMB"] == 2048
    for driver in ("raw_exec", "exec"):
        agent.api.register(make_job(driver, driver=driver))
        agent.api.wait_running(driver)
    alive = leftovers.processes(agent.folder)
    groups = leftovers.control_groups([row["ID"] for row in agent.api.get("/v1/allocations")])
    assert len(alive) >= 5, "the agent, and executor, log collector and task of each"
    assert leftovers.mounts(agent.folder)
    assert groups
    agent.close()
    assert not [process for process in alive if _is_alive(process)]
    assert not leftovers.processes(agent.folder)
    assert not leftovers.mounts(agent.folder)
    assert not [group for group in groups if group.exists()]
    assert not agent.folder.exists()


# What a test run is that dies without a word, while an agent of it runs a container and a plain process.
_KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.live.agent import make_dev_agent
from tests.live.docker import Dockerd, make_python_root
from tests.live.docker import Dockerd
from tests.live.jobs import SLEEP, make_config, make_job
from tests.live.leftovers import make_folder
with make_folder("docker") as folder, make_folder("killed") as other:
    daemon = Dockerd(folder)
    image = daemon.import_image(make_python_root())
    agent = make_dev_agent(other, Path(sys.argv[1]), docker=daemon.url)
    for driver in ("docker", "raw_exec"):
        agent.api.register(make_job(driver, make_config(driver, SLEEP, image), driver))
        agent.api.wait_running(driver)
    print(folder, other, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_ended(nomad: Path, dockerd: Dockerd) -> None:
    command = [sys.executable, "-c", _KILLED_RUN, str(nomad)]
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    folders = [Path(name) for name in done.stdout.split()]
    assert len(folders) == 2, done.stderr
    alive = [process for folder in folders for process in leftovers.processes(folder)]
    groups = [group for folder in folders for group in leftovers.control_groups(leftovers.containers(folder))]
    assert groups
    tasks = [process for process in alive if SLEEP in process.cmdline()]
    assert len(tasks) == 2
    with leftovers.make_folder("mine") as mine:
        assert set(folders) <= set(leftovers.end_leftovers())
        assert mine.exists()
    assert not [process for process in alive if _is_alive(process)]
    assert not [path for path in [*folders, mine, *groups] if path.exists()]


def test_agents_share_no_port(agent: Agent, fresh_agent: AgentFactory) -> None:
    other = fresh_agent()
    mine, others = (set(range(each.ports.first, each.ports.highest + 1)) for each in (agent, other))
    assert not mine & others


def test_with_acl_nothing_is_open(fresh_agent: AgentFactory) -> None:
    agent = fresh_agent(acl=True)
    assert agent.api.nodes()
    agent.api.token = ""
    with pytest.raises(Refused, match="403"):
        agent.api.register(make_job("sleeper"))


def test_a_cluster_survives_what_tests_do_to_it(cluster: ClusterFactory) -> None:
    made = cluster(servers=3, clients=[{"node_class": "a"}, {"node_class": "b"}], acl=True)
    reader = HarnessApi(made.addresses[0], made.make_token('node { policy = "read" }'))
    assert len(reader.nodes()) == 2
    with pytest.raises(Refused, match="403"):
        reader.register(make_job("sleeper"))
    made.api.register(make_job("sleeper"))
    (allocation,) = made.api.wait_running("sleeper")
    row = made.api.get(f"/v1/allocation/{allocation}")
    client = made.client_of(row["NodeID"])
    _check_client_killed_and_back(made, client, allocation)
    _check_leader_killed(made)
    _check_partition(made, client)
    _check_drain(made)


def _check_client_killed_and_back(made: Cluster, client: Agent, allocation: str) -> None:
    """A task lives on without its client, and its client finds it again."""
    task = _task(client)
    client.kill()
    assert _is_alive(task)
    client.start().wait_ready()
    assert made.api.wait_running("sleeper") == [allocation]
    assert _is_alive(task)


def _check_leader_killed(made: Cluster) -> None:
    started = time.monotonic()
    old = made.kill_leader()
    new = made.leader()
    assert new is not old
    old.start().wait_ready()
    assert time.monotonic() - started < 30


def _check_partition(made: Cluster, client: Agent) -> None:
    node = client.node_id
    client.pause()
    eventually(lambda: made.api.get(f"/v1/node/{node}")["Status"] == "down", 20, 0.1)
    client.resume()
    eventually(lambda: made.api.get(f"/v1/node/{node}")["Status"] == "ready", 20, 0.1)


def _check_drain(made: Cluster) -> None:
    (allocation,) = made.api.wait_running("sleeper", timeout_s=30)
    client = made.client_of(made.api.get(f"/v1/allocation/{allocation}")["NodeID"])
    made.drain(client)
    eventually(lambda: made.api.wait_running("sleeper") != [allocation], 30, 0.1)
    made.end_drain(client)
    eventually(lambda: made.api.get(f"/v1/node/{client.node_id}")["SchedulingEligibility"] == "eligible", 10, 0.1)


def test_without_nomad_the_summary_says_so_once(tmp_path: Path) -> None:
    """The same tests, run where PATH has no nomad, are skipped with one line."""
    env = os.environ | {"PATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rs", "-k", "driver or port", str(Path(__file__))]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.count("nomad: not on PATH") == 1, done.stdout
    assert " passed" not in done.stdout


def test_nothing_is_missing_here(nomad: Path) -> None:
    assert nomad.is_absolute()
    assert not missing()


def _task(client: Agent) -> psutil.Process:
    """Return the one task of a client."""
    found = [process for process in leftovers.processes(client.folder) if SLEEP in process.cmdline()]
    assert len(found) == 1
    return found[0]


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
