"""A task of Nomad fetches its version's bundle from the server by its workload identity, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serai.domain.errors import Unauthenticated
from serai.plugin import Credentials, Identity, Permission, hookimpl
from serai_nomad.identity import WorkloadIdentities
from tests.live.agent import Agent
from tests.live.jobs import make_job
from tests.waiting import eventually
from tests.web.installation import API, Installation, make_bundle
from tests.web.served import served

DIGEST, PACKED = make_bundle(**{"start.sh": "exec sleep 1000", "model.bin": "weights" * 10_000})
IDENTITY = {"Name": "serai", "Audience": ["serai"], "Env": True, "File": True, "TTL": 3600 * 10**9}
SHOW = "cat ${NOMAD_SECRETS_DIR}/nomad_serai.jwt; exec sleep 1000"


class Tasks:
    """Knows the tasks of one agent."""

    def __init__(self, agent: Agent, namespace: str) -> None:
        self.identities = WorkloadIdentities(
            lambda: agent.api.get("/.well-known/jwks.json"), namespace, lambda: datetime.now(UTC)
        )

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        return self.identities.identify(credentials.token)


@pytest.fixture
def installation(agent: Agent, namespace: str, tmp_path: Path) -> Iterator[Installation]:
    """A server that knows the agent's tasks, and has deployed a bundle as m-v1."""
    installed = Installation(tmp_path / "data", plugins={"tasks": Tasks(agent, namespace)})
    caller = installed.caller()
    assert caller.put(f"/bundles/{DIGEST}", PACKED).status_code == 201
    assert caller.put("/deployments/m", {"bundle": DIGEST}).status_code == 201
    yield installed
    installed.close()


def make_fetching_job(job: str, namespace: str, url: str, **task: object) -> dict[str, Any]:
    hex = DIGEST.removeprefix("sha256:")
    artifact = {
        "GetterSource": f"{url}{API}/bundles/{DIGEST}",
        "GetterMode": "file",
        "GetterHeaders": {"Authorization": "Bearer ${NOMAD_TOKEN_serai}"},
        "GetterOptions": {"checksum": f"sha256:{hex}", "archive": "false"},
        "RelativeDest": "local/bundle.tar.gz",
    }
    config = {"command": "sh", "args": ["-c", SHOW]}
    made = make_job(job, config, "raw_exec", Namespace=namespace)
    made["TaskGroups"][0]["Tasks"][0] |= {"Artifacts": [artifact], "Identities": [IDENTITY]} | task
    return made


def read_token(agent: Agent, allocation: str, task: str) -> str:
    """Return the token that a task has printed."""

    def printed() -> str:
        return str(
            agent.api.get(f"/v1/client/fs/logs/{allocation}", task=task, type="stdout", plain="true", origin="start")
        )

    return str(eventually(printed)).strip()


def test_a_task_fetches_the_bundle_of_its_own_version(agent: Agent, namespace: str, installation: Installation) -> None:
    with served(installation.app) as url:
        job = make_fetching_job("m-v1", namespace, url)
        agent.api.register(job)
        (allocation,) = agent.api.wait_running("m-v1", namespace=namespace)
        size = agent.api.call(
            "GET", f"/v1/client/fs/stat/{allocation}", None, {"path": _place(job, "local/bundle.tar.gz")}
        )["Size"]
        assert size == len(PACKED)
        assert "NOMAD_TOKEN_serai" in json.dumps(agent.api.get("/v1/job/m-v1", namespace=namespace)), "a name, no token"
    token = read_token(agent, allocation, job["TaskGroups"][0]["Tasks"][0]["Name"])
    tasks = Tasks(agent, namespace).identities
    found = tasks.identify(token)
    assert found == Identity(f"m-v1/{allocation[:8]}", frozenset({Permission.FETCH}), "m-v1")
    with pytest.raises(Unauthenticated, match="of the namespace"):
        Tasks(agent, "default").identities.identify(token)


def _place(job: dict[str, Any], path: str) -> str:
    return f"{job['TaskGroups'][0]['Tasks'][0]['Name']}/{path}"


@pytest.mark.parametrize(
    ("job", "task"),
    [
        ("m-v2", {}),
        ("redis", {}),
        ("m-v1", {"Identities": [IDENTITY | {"Audience": ["vault.io"]}]}),
        ("m-v1", {"Identities": [IDENTITY | {"TTL": 0}]}),
        ("m-v1", {"Identities": []}),
    ],
    ids=["another version", "another's job", "another audience", "a token without an end", "no token"],
)
def test_no_other_task_gets_it(
    agent: Agent, namespace: str, installation: Installation, job: str, task: dict[str, Any]
) -> None:
    with served(installation.app) as url:
        made = make_fetching_job(job, namespace, url, **task)
        made["TaskGroups"][0] |= {"RestartPolicy": {"Attempts": 0, "Mode": "fail"}}
        agent.api.register(made)
        code = "403" if job == "m-v2" else "401"
        eventually(lambda: any(f"response code: {code}" in text for text in agent.api.events(job, namespace)), 20, 0.2)
