"""What people do to a version's job in Nomad behind Serai's back is told in the timeline, and set right."""

from __future__ import annotations

from pathlib import Path

from tests.live.agent import Agent
from tests.live.serai_server import NomadInstallation
from tests.system.installation import make_model
from tests.waiting import eventually

JOB = "m-v1"


def test_foreign_changes_are_told_once_and_set_right(
    agent: Agent, namespace: str, serai: NomadInstallation, tmp_path: Path
) -> None:
    serai.deploy(make_model(tmp_path / "m", "name: m\nreplicas: 2\ndrain_timeout: 2s\n"))
    await_count(agent, namespace, 2)
    kept = set(running(agent, namespace))

    agent.api.put(f"/v1/job/{JOB}/scale", {"Count": 3, "Target": {"Group": "model"}}, namespace=namespace)
    await_line(serai, 1, "was scaled from 2 to 3 by somebody else; it is set back to 2")
    await_count(agent, namespace, 2)
    assert set(running(agent, namespace)) == kept, "no replica of ours suffered"

    agent.api.delete(f"/v1/job/{JOB}", namespace=namespace)
    await_line(serai, 2, "was stopped by somebody else; it is started again")
    await_count(agent, namespace, 2)

    agent.api.delete(f"/v1/job/{JOB}", namespace=namespace, purge="true")
    await_line(serai, 3, "was removed by somebody else; it is started again; as it happens often")
    await_count(agent, namespace, 2)

    with serai.client() as client:
        eventually(lambda: client.get_deployment("m")["state"] == "running", 40, 0.2)
        client.stop_deployment("m")
        eventually(lambda: client.get_deployment("m")["state"] == "stopped", 40, 0.2)
    assert len(lines(serai)) == 3, "Serai's own stop is nobody else's"


def lines(serai: NomadInstallation) -> list[str]:
    """Return what the timeline tells of somebody else, oldest first."""
    with serai.client() as client:
        return [event["text"] for event in reversed(client.list_events("m")) if event["kind"] == "workload.changed"]


def await_line(serai: NomadInstallation, count: int, text: str) -> None:
    eventually(lambda: len(lines(serai)) >= count, 10, 0.1)
    assert lines(serai)[count - 1].startswith(text)
    assert len(lines(serai)) == count


def await_count(agent: Agent, namespace: str, count: int) -> None:
    def is_so() -> bool:
        job = agent.api.get(f"/v1/job/{JOB}", namespace=namespace)
        told = 0 if job["Stop"] else job["TaskGroups"][0]["Count"]
        return told == len(running(agent, namespace)) == count

    eventually(is_so, 40, 0.2)


def running(agent: Agent, namespace: str) -> list[str]:
    rows = agent.api.allocations(JOB, namespace)
    return [row["ID"] for row in rows if row["ClientStatus"] == "running" and row["DesiredStatus"] == "run"]
