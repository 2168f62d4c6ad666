"""The documented ACL policies allow everything that Serai does in Nomad, and refuse what it should not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import serai_nomad
from serai.domain.errors import SchedulerError, SeraiError
from serai_nomad.agent.agent_errors import PERMISSION_DENIED
from serai_nomad.agent.api import NomadApi
from serai_nomad.agent.events import Connected, EventStream
from serai_nomad.job.submission import variable_path
from serai_nomad.record.log_files import NodeFiles
from serai_nomad.settings import load_settings
from tests.live.agent import Agent
from tests.live.api import HarnessApi, Refused
from tests.live.conftest import AgentFactory, SeraiFactory
from tests.live.jobs import make_config, make_job
from tests.system.installation import make_model
from tests.waiting import eventually

FOLDER = Path(serai_nomad.__file__).parent
POLICIES = ("policy.hcl", "policy-2.0.hcl")
NAMESPACE, JOB = "serai", "digits-v1"
MODEL = """
import os, sys, time
print("key=" + os.environ["API_KEY"], flush=True)
print(os.environ["NOMAD_TOKEN_serai"], file=sys.stderr, flush=True)
time.sleep(3600)
"""
MODEL_WITH_KEY = """
import http.server, os
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["KEY"].encode())
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Model).serve_forever()
"""
SECRET = '{{ with nomadVar "%s" }}API_KEY={{ .API_KEY }}{{ end }}\n'
HCL = """
variable "count" { default = 1 }
job "x" {
  group "g" {
    count = var.count
    task "t" { driver = "raw_exec" }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """An agent with ACLs, our namespace with a job that runs, a token of one of the policies, and the API with it."""

    agent: Agent
    token: str
    api: NomadApi
    job: dict[str, Any]
    allocation: str


def make_token(agent: Agent, policy: str) -> str:
    """Return the secret of a token that has the policy of that file, as it is."""
    name = policy.removesuffix(".hcl").replace(".", "-")
    agent.api.put(f"/v1/acl/policy/{name}", {"Name": name, "Rules": (FOLDER / policy).read_text(encoding="utf-8")})
    return str(agent.api.put("/v1/acl/token", {"Name": name, "Type": "client", "Policies": [name]})["SecretID"])


@pytest.fixture(params=POLICIES)
def stage(request: pytest.FixtureRequest, fresh_agent: AgentFactory, tmp_path: Path) -> Iterator[Stage]:
    agent = fresh_agent(acl=True, host_volumes={"weights": tmp_path})
    for name in (NAMESPACE, "theirs"):
        agent.api.put(f"/v1/namespace/{name}", {"Name": name})
    agent.api.register(make_job("their-job", Namespace="theirs"))
    token = make_token(agent, request.param)
    settings = load_settings({"address": agent.address, "token": token, "namespace": NAMESPACE}, env={})
    with closing(NomadApi(settings)) as api:
        job = make_own_job()
        api.put_variable(variable_path(JOB), {"API_KEY": "of-the-model"})
        api.register(job, enforce_index=0)
        (allocation,) = agent.api.wait_running(JOB, namespace=NAMESPACE)
        yield Stage(agent, token, api, job, allocation)


def make_own_job() -> dict[str, Any]:
    """Return a job with all that may need a right: a volume, secrets from its variable, an identity."""
    job = make_job(JOB, make_config("exec", MODEL), "exec", Namespace=NAMESPACE)
    group = job["TaskGroups"][0]
    group["Volumes"] = {"weights": {"Type": "host", "Source": "weights", "ReadOnly": True}}
    group["Tasks"][0] |= {
        "VolumeMounts": [{"Volume": "weights", "Destination": "/weights", "ReadOnly": True}],
        "Identities": [{"Name": "serai", "Audience": ["serai"], "Env": True, "TTL": 900 * 10**9}],
        "Templates": [
            {
                "EmbeddedTmpl": SECRET % variable_path(JOB),
                "DestPath": "secrets/env",
                "Envvars": True,
                "ChangeMode": "noop",
            }
        ],
    }
    return job


def test_the_policy_allows_what_serai_does_and_refuses_the_rest(stage: Stage) -> None:
    check_what_is_refused(stage)
    check_that_a_replica_s_token_opens_nothing_more(stage)
    check_what_serai_does(stage)


def check_what_serai_does(stage: Stage) -> None:
    api, id = stage.api, stage.allocation
    assert [row["ID"] for row in api.list_jobs().rows] == [JOB]
    assert [row["ID"] for row in api.list_allocations().rows] == [id]
    assert api.list_evaluations().rows
    assert api.job(JOB)["Meta"] is None
    assert api.job_allocations(JOB)
    assert api.job_evaluations(JOB)
    assert api.allocation(id)["AllocatedResources"]
    assert api.allocation_checks(id) is not None
    assert eventually(lambda: api.allocation_stats(id)["ResourceUsage"]["MemoryStats"]["RSS"])
    assert api.services("nobody") == ()
    assert api.list_nodes().rows[0]["NodeResources"]
    assert api.node(stage.agent.node_id)["Attributes"]
    assert [row["JobID"] for row in api.list_all_allocations().rows] == [JOB], (
        "those of namespaces that it may not read are left out"
    )
    assert api.jwks()["keys"]
    assert api.plan(stage.job)["Annotations"]
    api.validate(stage.job)
    assert all(api.indexes())
    assert api.parse_hcl(HCL, {"count": 3})["TaskGroups"][0]["Count"] == 3
    check_events(api)
    check_logs(api, id)
    api.scale(JOB, 2, "test", "model")
    stage.agent.api.wait_running(JOB, 2, namespace=NAMESPACE)
    api.evaluate(JOB)
    api.deregister(JOB, purge=False)
    eventually(lambda: {row["ClientStatus"] for row in api.job_allocations(JOB)} == {"complete"}, 20, 0.2)
    api.deregister(JOB, purge=True)
    api.delete_variable(variable_path(JOB))
    assert api.list_jobs().rows == ()


def check_events(api: NomadApi) -> None:
    stream = EventStream(api)
    try:
        assert next(iter(stream)) == Connected(has_nodes=True)
    finally:
        stream.close()


def check_logs(api: NomadApi, allocation: str) -> None:
    """Both ways to read logs work, and the secret has reached the model."""
    assert eventually(lambda: NodeFiles(api, allocation).files)
    assert read_log(api, allocation, "stdout") == "key=of-the-model\n"


def read_log(api: NomadApi, allocation: str, type: str) -> str:
    query = {"task": "server", "type": type, "plain": "true", "origin": "start"}
    return str(eventually(lambda: api.call("GET", f"/v1/client/fs/logs/{allocation}", query).text))


def test_serai_itself_works_with_the_policy(
    stage: Stage, serai_on: SeraiFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serai = serai_on(stage.agent, NAMESPACE, plugin={"token": stage.token, "drivers": ["raw_exec"]})
    manifest = 'name: m\nsecrets: {KEY: "{{ ask }}"}\nresources: {memory: 64MiB}\ndrain_timeout: 1s\n'
    monkeypatch.setenv("KEY", "of-the-model")
    serai.deploy_by_cli(make_model(tmp_path / "m", manifest, MODEL_WITH_KEY))  # which asks the environment for KEY
    assert serai.get("/m/") == "of-the-model"
    with serai.client() as client:
        client.change_deployment("m", {"count": 2})
        eventually(lambda: client.get_version("m", 1)["ready"] == 2, 30, 0.2)
        lines = [line["text"] for line in client.list_logs("m", 1)]
        assert lines.count("listening") == 2
        assert client.load_capacity()["nodes"]
        version = client.get_version("m", 1)
        assert all(replica["reason"] is None for replica in version["replicas"]), version
        client.stop_deployment("m")
        eventually(lambda: client.get_version("m", 1)["state"] == "stopped", 30, 0.2)
        client.delete_deployment("m")
    eventually(lambda: not stage.agent.api.get("/v1/vars", namespace=NAMESPACE, prefix="nomad/jobs/m-"), 20, 0.2)
    denied = [line for line in serai.log.read_text().splitlines() if "denied" in line]
    assert denied == []


REFUSED: dict[str, Callable[[Stage], object]] = {
    "reading secrets": lambda s: s.api.get_variable(variable_path(JOB)),
    "secrets elsewhere": lambda s: s.api.put_variable("their/secret", {"a": "b"}),
    "another namespace's jobs": lambda s: s.api.call("GET", "/v1/jobs", {"namespace": "theirs"}),
    "another namespace's job": lambda s: s.api.call("GET", "/v1/job/their-job", {"namespace": "theirs"}),
    "stopping another's job": lambda s: s.api.call("DELETE", "/v1/job/their-job", {"namespace": "theirs"}),
    "restarting a replica": lambda s: s.api.restart_allocation(s.allocation),
    "draining a node": lambda s: s.api.call("PUT", f"/v1/node/{s.agent.node_id}/drain", body={"DrainSpec": None}),
    "the agent's configuration": lambda s: s.api.agent_self(),
    "tokens": lambda s: s.api.call("GET", "/v1/acl/tokens"),
    "policies": lambda s: s.api.call("PUT", "/v1/acl/policy/mine", body={"Name": "mine", "Rules": ""}),
    "namespaces": lambda s: s.api.call("PUT", "/v1/namespace/mine", body={"Name": "mine"}),
    "garbage collection": lambda s: s.api.call("PUT", "/v1/system/gc"),
    "the scheduler's configuration": lambda s: s.api.call("GET", "/v1/operator/scheduler/configuration"),
}


def find_code(deed: Callable[[], object]) -> str:
    try:
        deed()
    except SeraiError as error:
        return error.code
    return "allowed"


def check_what_is_refused(stage: Stage) -> None:
    answers = {what: find_code(lambda: deed(stage)) for what, deed in REFUSED.items()}  # noqa: B023 - called at once
    assert answers == dict.fromkeys(REFUSED, PERMISSION_DENIED)
    assert stage.api.list_variables().rows == (), "not even the paths of secrets"
    check_writable_volume(stage)
    check_other_namespace(stage)
    check_entering(stage)


def check_writable_volume(stage: Stage) -> None:
    writable = make_own_job()
    writable["TaskGroups"][0]["Volumes"]["weights"]["ReadOnly"] = False
    with pytest.raises(SchedulerError) as raised:
        stage.api.register(writable | {"ID": "digits-v2"}, enforce_index=0)
    assert raised.value.code == PERMISSION_DENIED


def check_other_namespace(stage: Stage) -> None:
    with pytest.raises(Refused, match="403"):
        HarnessApi(stage.agent.address, stage.token).register(make_job("mine", Namespace="theirs"))
    assert stage.agent.api.get("/v1/job/their-job", namespace="theirs")["Stop"] is False


def check_entering(stage: Stage) -> None:
    agent = stage.agent
    everything, agent.api.token = agent.api.token, stage.token

    def enter() -> str:
        done = agent.run("alloc", "exec", "-namespace", NAMESPACE, "-task", "server", stage.allocation, "true")
        assert done.returncode == 1
        return done.stderr

    try:  # Nomad closes the connection after its refusal, which the command may notice first
        eventually(lambda: "Permission denied" in enter(), 20, 0.5)
    finally:
        agent.api.token = everything


def check_that_a_replica_s_token_opens_nothing_more(stage: Stage) -> None:
    """Nomad asks for no audience: the token that fetches the bundle reads the secrets that the replica has anyway."""
    replica = HarnessApi(stage.agent.address, read_log(stage.api, stage.allocation, "stderr").strip())
    assert replica.token.count(".") == 2
    assert replica.get(f"/v1/var/{variable_path(JOB)}", namespace=NAMESPACE)["Items"] == {"API_KEY": "of-the-model"}
    stage.api.put_variable(variable_path("digits-v2"), {"API_KEY": "of-another"})
    for path in ("/v1/jobs", f"/v1/var/{variable_path('digits-v2')}", f"/v1/job/{JOB}", "/v1/nodes"):
        with pytest.raises(Refused, match="403"):
            replica.get(path, namespace=NAMESPACE)
