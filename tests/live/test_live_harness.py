"""The harness itself: agents start, survive what tests do to them, and leave nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live import leftovers
from tests.live.agent import Agent
from tests.live.chroot import EXEC_PYTHON
from tests.live.conftest import AgentFactory

SECOND = 1_000_000_000


def make_job(name: str, driver: str = "raw_exec", count: int = 1, **keys: Any) -> dict[str, Any]:
    """Return a job that sleeps."""
    task = {
        "Name": "server",
        "Driver": driver,
        "Config": {
            "command": sys.executable if driver == "raw_exec" else EXEC_PYTHON,
            "args": ["-c", "import time; time.sleep(3600)"],
        },
        "Resources": {"CPU": 50, "MemoryMB": 64},
    }
    group = {
        "Name": "model",
        "Count": count,
        "Tasks": [task],
        "ReschedulePolicy": {"Unlimited": True, "Delay": 5 * SECOND, "DelayFunction": "constant"},
        "Migrate": {
            "MaxParallel": 1,
            "HealthCheck": "task_states",
            "MinHealthyTime": SECOND,
            "HealthyDeadline": 60 * SECOND,
        },
    }
    return {
        "ID": name,
        "Type": "service",
        "Datacenters": ["*"],
        "Update": {"MaxParallel": 0},
        "TaskGroups": [group],
    } | keys


@pytest.mark.parametrize("driver", ["raw_exec", "exec"])
def test_a_job_runs_and_its_namespace_is_emptied(agent: Agent, driver: str) -> None:
    assert driver in agent.drivers
    with agent.api.namespace() as namespace:
        agent.api.register(make_job("sleeper", driver, Namespace=namespace))
        (allocation,) = agent.api.wait_running("sleeper", namespace=namespace)
        assert agent.api.get(f"/v1/client/allocation/{allocation}/stats")["ResourceUsage"]["MemoryStats"]["RSS"] > 0
    assert namespace not in {row["Name"] for row in agent.api.get("/v1/namespaces")}


def test_nothing_of_an_agent_is_left(fresh_agent: AgentFactory) -> None:
    agent = fresh_agent(node_class="small", meta={"rack": "r1"}, memory_mb=2048)
    node = agent.api.get(f"/v1/node/{agent.node_id}")
    assert (node["NodeClass"], node["Meta"]["rack"], node["NodeResources"]["Memory"]["MemoryMB"]) == (
        "small",
        "r1",
        2048,
    )
    for driver in ("raw_exec", "exec"):
        agent.api.register(make_job(driver, driver))
        agent.api.wait_running(driver)
    alive = leftovers.processes(agent.folder)
    groups = leftovers.control_groups([row["ID"] for row in agent.api.get("/v1/allocations")])
    assert len(alive) >= 5, "the agent, and executor, log collector and task of each"
    assert leftovers.mounts(agent.folder)
    assert groups
    agent.close()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in alive)
    assert not leftovers.processes(agent.folder)
    assert not leftovers.mounts(agent.folder)
    assert not [group for group in groups if group.exists()]
    assert not agent.folder.exists()


def test_a_folder_of_a_test_process_that_is_gone_is_cleared(fresh_agent: AgentFactory, tmp_path: Path) -> None:
    abandoned = Path("/tmp/serai-live-1-1-gone")
    abandoned.mkdir()
    with leftovers.make_folder("mine") as mine:
        assert abandoned in leftovers.end_leftovers()
        assert mine.exists()
    assert not abandoned.exists()


def test_two_agents_share_no_port(agent: Agent, fresh_agent: AgentFactory) -> None:
    other = fresh_agent()
    mine, others = (set(range(each.ports.first, each.ports.highest + 1)) for each in (agent, other))
    assert not mine & others


def test_acl(fresh_agent: AgentFactory) -> None:
    agent = fresh_agent(acl=True)
    assert agent.api.nodes()
    agent.api.token, token = "", agent.api.token
    with pytest.raises(Exception, match="403"):
        agent.api.nodes()
    agent.api.token = token
