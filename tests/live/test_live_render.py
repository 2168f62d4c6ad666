"""Rendered jobs on a real agent: all are valid, and what they promise is what a model finds when it runs."""

from __future__ import annotations

import base64
import io
import json
import shlex
import sys
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from serai.domain.manifest import parse_manifest
from serai.domain.observation import Workload
from serai_nomad.exit_codes import NO_COMMAND
from serai_nomad.job.render import RenderFacts, render_job
from serai_nomad.job.secrets import make_variable_items
from serai_nomad.settings import BundleDriver, NomadSettings
from tests.live.agent import Agent
from tests.live.bundle_server import BundleServer, serve_bundles
from tests.live.chroot import EXEC_PYTHON
from tests.live.conftest import AgentFactory
from tests.live.programs import write_program
from tests.plugins.nomad_workloads import CASES, PARSED, PARSED_FOR, TEMPLATE
from tests.waiting import eventually

Json = dict[str, Any]

# Answers with what it finds.
SERVE = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = {"env": dict(os.environ), "argv": sys.argv[1:], "cwd": os.getcwd(), "uid": os.getuid(),
                 "python": sys.executable, "files": sorted(os.listdir(".")), "writes": os.access(".", os.W_OK)}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
NASTY = (
    "a ${HOME} ${env.x} ${NOMAD_ALLOC_ID} $HOME %{ if } {{ x }} <0< "
    "\n\t\x01\x7f \"quoted\" 'too' \\ \\n é \U0001f600 <&>\u2028"
)
ARGUMENTS = ["${HOME}", "${unknown}", "%{ if true }", "$${x}", "a  b", "'\"`$x", "\n", "", "é"]


@dataclass(slots=True)
class Stage:
    """A namespace of an agent to run workloads in, and a place that bundles are fetched from."""

    agent: Agent
    namespace: str
    bundles: BundleServer
    python: str = "python3"

    def submit(self, manifest: Mapping[str, object], driver: str = "", secrets: Mapping[str, str] | None = None) -> str:
        """Register the job of a manifest, and its variable; return the job's id."""
        spec = replace(
            parse_manifest({"health": {"http": "/"}, "drain_timeout": "1s", **manifest}, "model").spec,
            secrets=dict.fromkeys(secrets or {}, "x"),
        )
        env = {"SERAI_DEPLOYMENT": "model", "SERAI_VERSION": "1", **(secrets or {})}
        workload = Workload("model-v1", "model", 1, spec, "digest", 1, env)
        settings = NomadSettings(
            namespace=self.namespace,
            bundle_driver=BundleDriver.RAW_EXEC if driver == "raw_exec" else BundleDriver.EXEC,
            python=self.python,
            environments=str(self.agent.folder / "environments"),
            docker_gpu_runtime=False,
            shutdown_delay_s=0,
        )
        facts = RenderFacts("live", self.bundles.url, bundle=self.bundles.contents(spec.bundle))
        job = render_job(workload, settings, facts)
        if items := make_variable_items(workload):
            path = f"/v1/var/nomad/jobs/{workload.id}"
            self.agent.api.put(path, {"Items": items}, namespace=self.namespace)
        self.agent.api.register(dict(job))
        return workload.id

    def ask(self, id: str, timeout_s: float = 60) -> Json:
        """Return what the job's one replica answers once its check has passed."""
        allocation = eventually(lambda: self._ready(id), timeout_s, 0.1)
        (port,) = self.agent.api.get(f"/v1/allocation/{allocation}")["AllocatedResources"]["Shared"]["Ports"]
        with urllib.request.urlopen(f"http://{port['HostIP']}:{port['Value']}/", timeout=5) as answer:
            found: Json = json.load(answer)
        return found | {"port": port["Value"], "allocation": allocation}

    def run(self, manifest: Mapping[str, object], driver: str = "", secrets: Mapping[str, str] | None = None) -> Json:
        return self.ask(self.submit(manifest, driver, secrets))

    def last_exit(self, id: str, task: str, timeout_s: float = 60) -> tuple[int, str]:
        """Return the exit code of a task that has ended, and what it wrote to stderr."""

        def ended() -> Json | None:
            for row in self.agent.api.allocations(id, self.namespace):
                for event in ((row["TaskStates"] or {}).get(task) or {"Events": ()})["Events"]:
                    if event["Type"] == "Terminated":
                        return {"allocation": row["ID"], "code": int(event["Details"]["exit_code"])}
            return None

        found = eventually(ended, timeout_s, 0.1)
        assert found is not None
        query = {"task": task, "type": "stderr", "plain": "true", "namespace": self.namespace}
        return found["code"], self.agent.api.get(f"/v1/client/fs/logs/{found['allocation']}", **query)

    def _ready(self, id: str) -> str | None:
        for row in self.agent.api.allocations(id, self.namespace):
            if row["ClientStatus"] == "running":
                checks = self.agent.api.get(f"/v1/client/allocation/{row['ID']}/checks", namespace=self.namespace)
                if checks and all(check["Status"] == "success" for check in checks.values()):
                    return str(row["ID"])
        return None


@pytest.fixture
def stage(agent: Agent, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    with serve_bundles(tmp_path) as bundles:
        yield Stage(agent, namespace, bundles)


def python_of(driver: str) -> str:
    return sys.executable if driver == "raw_exec" else EXEC_PYTHON


def line_of(driver: str, file: str = "serve.py") -> str:
    """Return the shell's line that runs a file of the bundle."""
    return f"exec {shlex.quote(python_of(driver))} {file}"


@pytest.mark.parametrize("name", CASES)
def test_nomad_finds_every_job_valid(agent: Agent, name: str) -> None:
    job = CASES[name].render() | {"Namespace": "default", "NodePool": "default"}
    answer = agent.api.put("/v1/validate/job", {"Job": job})
    assert (answer["ValidationErrors"], answer["Error"]) == (None, "")
    # All that it has to say: the token of a bundle need not be renewed; memory_max has to be switched on.
    told = [line for line in answer["Warnings"].splitlines() if line.strip().startswith(("* Identity", "* Task"))]
    assert [
        line for line in told if "Identity[serai]" not in line and "memory_max" not in line and ":" not in line
    ] == []


def test_the_example_of_a_template_is_parsed_as_recorded(agent: Agent) -> None:
    variables = "".join(f"{name} = {json.dumps(value)}\n" for name, value in (PARSED_FOR | {"unused": 1}).items())
    parsed = agent.api.put("/v1/jobs/parse", {"JobHCL": TEMPLATE.read_text(), "Variables": variables})
    assert parsed == json.loads(PARSED.read_text())


@pytest.mark.parametrize("driver", ["raw_exec", "exec"])
def test_a_folder_runs_with_all_it_was_given(stage: Stage, driver: str) -> None:
    bundle = stage.bundles.add({"start.sh": f"#!/bin/sh\n{line_of(driver)}\n", "serve.py": SERVE})
    found = stage.run(
        {"bundle": bundle, "env": {"NASTY": NASTY, "PLAIN": "x"}},
        driver,
        {"TOKEN": NASTY, "Keys": "1", "Metadata": "2", "EMPTY": ""},
    )
    env = found["env"]
    assert {key: env.get(key) for key in ("NASTY", "PLAIN", "TOKEN", "Keys", "Metadata", "EMPTY")} == {
        "NASTY": NASTY,
        "PLAIN": "x",
        "TOKEN": NASTY,
        "Keys": "1",
        "Metadata": "2",
        "EMPTY": "",
    }
    assert (env["PORT"], env["SERAI_REPLICA"]) == (str(found["port"]), found["allocation"])
    assert (env["SERAI_DEPLOYMENT"], env["SERAI_VERSION"], env["PYTHONUNBUFFERED"]) == ("model", "1", "1")
    assert [key for key in env if key.startswith("NOMAD_TOKEN")] == []
    assert (found["files"], found["writes"]) == (["serve.py", "start.sh"], True)
    assert (found["uid"] == 0) is (driver == "raw_exec")


def test_the_bundle_is_fetched_with_a_token_of_the_replica(stage: Stage) -> None:
    bundle = stage.bundles.add({"serve.py": SERVE}, mode="w")
    found = stage.run({"bundle": bundle, "command": line_of("raw_exec")}, "raw_exec")
    (header,) = stage.bundles.tokens
    scheme, _, token = header.partition(" ")
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (scheme, claims["aud"], claims["nomad_job_id"]) == ("Bearer", "serai", "model-v1")
    assert (claims["nomad_namespace"], claims["nomad_allocation_id"]) == (stage.namespace, found["allocation"])
    assert claims["exp"] - claims["iat"] == 900


@pytest.mark.parametrize("driver", ["raw_exec", "exec"])
def test_a_command_alone_gets_its_arguments_as_they_are(stage: Stage, driver: str) -> None:
    found = stage.run({"command": [python_of(driver), "-c", SERVE, *ARGUMENTS]}, driver)
    assert found["argv"] == ARGUMENTS


@pytest.mark.parametrize("driver", ["raw_exec", "exec"])
def test_links_of_a_bundle_are_kept(stage: Stage, driver: str) -> None:
    files = {"start.sh": line_of(driver, "link.py"), "code/serve.py": SERVE}
    found = stage.run({"bundle": stage.bundles.add(files, {"link.py": "code/serve.py"})}, driver)
    assert (found["files"], found["writes"]) == (["code", "link.py", "start.sh"], True)


def test_a_bundle_of_very_many_files_is_taken(stage: Stage) -> None:
    files = {"start.sh": line_of("raw_exec"), "serve.py": SERVE} | {f"f{n}": "" for n in range(5000)}
    assert len(stage.run({"bundle": stage.bundles.add(files)}, "raw_exec")["files"]) == 5002


@pytest.mark.parametrize("driver", ["raw_exec", "exec"])
def test_a_model_that_knows_nothing_of_signals_ends_at_once(stage: Stage, driver: str) -> None:
    manifest = {"command": [python_of(driver), "-c", SERVE], "drain_timeout": "30s"}
    id = stage.submit(manifest, driver)
    stage.ask(id)
    stage.agent.api.delete(f"/v1/job/{id}", namespace=stage.namespace)
    code, _ = stage.last_exit(id, "server", timeout_s=15)
    assert code in {143, 15, 0}


@pytest.mark.parametrize(
    ("files", "manifest", "said"),
    [
        ({"a": ""}, {}, "serai: The bundle has no start.sh, and the manifest names no command.\n"),
        ({"a": ""}, {"command": ["no-such-program"]}, "no-such-program: not found\n"),
    ],
)
def test_a_missing_command_is_said(
    stage: Stage, files: dict[str, str | bytes], manifest: dict[str, object], said: str
) -> None:
    id = stage.submit({"bundle": stage.bundles.add(files), **manifest}, "raw_exec")
    code, err = stage.last_exit(id, "server")
    assert code == NO_COMMAND
    assert err.endswith(said)


def make_wheel() -> bytes:
    """Return a package `tiny`, for no package index is asked here."""
    buffer, info = io.BytesIO(), "tiny-1.0.dist-info"
    with zipfile.ZipFile(buffer, "w") as wheel:
        wheel.writestr("tiny.py", "NAME = 'tiny'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["raw_exec", "exec"])
def test_requirements_are_installed_before_the_start(stage: Stage, driver: str) -> None:
    stage.python = python_of(driver)
    files: dict[str, str | bytes] = {
        "requirements.txt": "--no-index\n./tiny-1.0-py3-none-any.whl\n",
        "tiny-1.0-py3-none-any.whl": make_wheel(),
        "start.sh": "exec python3 serve.py",
        "serve.py": f"import tiny\n{SERVE}",
    }
    found = stage.run({"bundle": stage.bundles.add(files), "resources": {"memory": "512MiB"}}, driver)
    assert found["python"] == f"{found['env']['VIRTUAL_ENV']}/bin/python3"
    assert [header != "" for header in stage.bundles.tokens] == [True]  # fetched once, for both tasks


@pytest.mark.slow
def test_replicas_of_a_node_share_what_is_installed(stage: Stage) -> None:
    stage.python = sys.executable
    files = {"requirements.txt": "# nothing\n", "start.sh": "exec python3 serve.py", "serve.py": SERVE}
    found = stage.run({"bundle": stage.bundles.add(files), "resources": {"memory": "512MiB"}}, "raw_exec")
    environments = stage.agent.folder / "environments"
    assert Path(found["env"]["VIRTUAL_ENV"]).parent == environments
    assert oct(environments.stat().st_mode)[-3:] == "700"


@pytest.mark.slow
def test_a_failed_installation_is_said(stage: Stage) -> None:
    stage.python = sys.executable
    files: dict[str, str | bytes] = {"requirements.txt": "--no-index\nno-such-package\n", "start.sh": ""}
    id = stage.submit({"bundle": stage.bundles.add(files), "resources": {"memory": "512MiB"}}, "raw_exec")
    code, err = stage.last_exit(id, "install")
    assert code == 1
    assert "No matching distribution found for no-such-package" in err
    assert err.endswith("serai: Installing requirements.txt failed with exit code 1.\n")


@pytest.mark.parametrize("kind", ["list", "text", "folder", "folder with a command"])
def test_an_image_runs(stage: Stage, docker_image: str, kind: str) -> None:
    bundle = stage.bundles.add({"start.sh": "#!/bin/sh\nexec python3 serve.py", "serve.py": SERVE})
    manifests: dict[str, dict[str, object]] = {
        "list": {"command": ["python3", "-c", SERVE, *ARGUMENTS]},
        "text": {"command": "exec python3 -c \"$CODE\" '${HOME}' %{x}"},
        "folder": {"bundle": bundle},
        "folder with a command": {"bundle": bundle, "command": ["python3", "serve.py", *ARGUMENTS]},
    }
    more = {"image": docker_image, "env": {"NASTY": NASTY, "CODE": SERVE}}
    found = stage.run({**manifests[kind], **more}, secrets={"TOKEN": NASTY})
    arguments = {"text": ["${HOME}", "%{x}"], "folder": []}
    assert found["argv"] == arguments.get(kind, ARGUMENTS)
    assert (found["env"]["NASTY"], found["env"]["TOKEN"]) == (NASTY, NASTY)
    assert found["env"].get("NOMAD_TOKEN_serai") is None
    assert (found["cwd"] == "/alloc/bundle") is kind.startswith("folder")


# NVIDIA's own plugin sets NVIDIA_VISIBLE_DEVICES and nothing else.
LIKE_NVIDIAS = """import sys
from serai_gpu import simulated
from serai_gpu.inventory import Reservation
simulated.SimulatedInventory.reserve = lambda self, ids: Reservation({"NVIDIA_VISIBLE_DEVICES": ",".join(ids)})
from serai_gpu.main import main
main()
"""


@pytest.mark.slow
def test_cuda_is_told_which_gpus(fresh_agent: AgentFactory, tmp_path: Path) -> None:
    plugin = tmp_path / "plugins" / "serai-gpu"
    write_program(plugin, LIKE_NVIDIAS)
    config = {"mode": "simulated", "node": "n", "models": ["A100-40GB:2", "T4:1"]}
    agent = fresh_agent(plugin_dir=plugin.parent, plugins={"serai-gpu": config})
    with serve_bundles(tmp_path) as bundles:
        stage = Stage(agent, "default", bundles)
        gpu = {"count": 2, "model": "a100", "memory": "40GiB"}
        found = stage.run({"command": [sys.executable, "-c", SERVE], "resources": {"gpu": gpu}}, "raw_exec")
    assert found["env"]["CUDA_VISIBLE_DEVICES"] == found["env"]["NVIDIA_VISIBLE_DEVICES"]
    assert len(found["env"]["CUDA_VISIBLE_DEVICES"].split(",")) == 2
