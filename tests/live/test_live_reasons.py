"""Why a model does not run, said within 5 s of Nomad knowing: on its way up, and at its end. On the session's agent."""

from __future__ import annotations

import http.server
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.agent import Agent
from tests.live.sentences import SWITCH
from tests.live.slow_registry import serve_slowly
from tests.live.witness import Witness, open_witness
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nomad-agent")]

PROGRAM = """
import http.server, os, sys, time
begin = time.monotonic()
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, text = answer(time.monotonic() - begin)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): pass
{answer}
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"]) + {offset}), Model).serve_forever()
"""
WARMING = 'answer = lambda age: (503, b"loading the weights")'
FAILING = 'answer = lambda age: (200, b"ok") if age < 3 else (503, b"out of workers")'
HTTP: dict[str, Any] = {"health": {"http": "/", "interval": "1s"}}


def serve(answer: str = WARMING, offset: int = 0) -> dict[str, Any]:
    return run(PROGRAM.format(answer=answer, offset=offset))


def run(code: str) -> dict[str, Any]:
    """Return what a manifest needs to run Python."""
    return {"command": [sys.executable, "-S", "-c", code]}


@pytest.fixture(scope="module")
def bench(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    names = {agent.name: "gpu-1", sys.executable: "python3", str(agent.folder): "/opt/nomad"}
    with open_witness(agent, tmp_path_factory.mktemp("reasons"), names, image_pull_timeout="2s") as made:
        yield made


def test_a_crash_loop_tells_code_next_try_and_last_lines(bench: Witness) -> None:
    job = bench.submit("crashing", **run("print('loading'); raise SystemExit('no weights in /models')"))
    bench.know_event(job, "Restarting")
    words = ("exited with code 1", "; try 2 starts at ", "after a pause of ")
    reason = bench.hear(job, "restarting", *words, log="no weights in /models")
    assert reason.exit_code == 1
    bench.end(job)


def test_a_command_that_is_not_there(bench: Witness) -> None:
    job = bench.submit("bad-command", command=["serve-model", "--fast"])
    bench.know_event(job, "Terminated")
    reason = bench.hear(job, "command-missing", "a command was not found")
    assert reason.exit_code == 127
    assert any("serve-model" in line for line in reason.log)
    bench.end(job)


def test_an_installation_that_fails(bench: Witness) -> None:
    bundle = bench.add_bundle({"start.sh": "#!/bin/sh\nsleep 9", "requirements.txt": "./no-such-wheel.whl\n"})
    job = bench.submit("bad-requirements", bundle=bundle, command="./start.sh")
    bench.know_event(job, "Started", task="install")
    bench.hear(job, "installing", scenario="installing")
    bench.know_event(job, "Terminated", task="install", timeout_s=60)
    reason = bench.hear(job, "install-failed", "Installing requirements.txt failed with exit code 1; try 2 starts at")
    assert any("no-such-wheel" in line for line in reason.log)
    bench.end(job)


def test_files_that_cannot_be_fetched(bench: Witness) -> None:
    wrong = bench.add_bundle({"start.sh": "#!/bin/sh\nsleep 9"}, served=b"something else")
    job = bench.submit("bundle-changed", bundle=wrong, command="./start.sh")
    bench.know_event(job, "Failed Artifact Download")
    bench.hear(job, "bundle-broken", "are not those of the version")
    gone = bench.add_bundle({"start.sh": "#!/bin/sh\nsleep 8"})
    (bench.bundles.folder / gone.removeprefix("sha256:")).unlink()
    missing = bench.submit("bundle-gone", bundle=gone, command="./start.sh")
    bench.know_event(missing, "Failed Artifact Download")
    bench.hear(missing, "artifact-failed", "could not fetch the version's files", "404")
    bench.end(job, missing)


def test_secrets_that_are_gone(bench: Witness) -> None:
    job = bench.submit("no-secret", count=0, secrets={"KEY": "value"})
    bench.api.delete(f"/v1/var/nomad/jobs/{job}", namespace=bench.namespace)
    bench.submit("no-secret", count=1, secrets={"KEY": "value"})
    bench.know_event(job, "Template", "Missing", timeout_s=40)
    bench.hear(job, "secret-missing", f"no variable nomad/jobs/{job}")
    bench.end(job)


def test_a_model_on_another_port(bench: Witness) -> None:
    job = bench.submit("wrong-port", **serve(offset=1))
    bench.know_event(job, "Started")
    bench.hear(job, "loading", "nothing listens on 127.0.0.1:", scenario="wrong-port-tcp")
    bench.end(job)


def test_a_model_on_another_port_with_a_check_of_nomads(bench: Witness) -> None:
    job = bench.submit("wrong-port", **serve(offset=1), **HTTP)
    bench.know_check(job, "failure")
    bench.hear(job, "loading", "nothing listens on 127.0.0.1:", scenario="wrong-port-http")
    bench.end(job)


def test_a_check_that_does_not_pass_yet(bench: Witness) -> None:
    job = bench.submit("warming", **serve(), **HTTP)
    bench.know_check(job, "failure")
    bench.hear(job, "checking", "answered with 503: loading the weights")
    bench.end(job)


def test_a_check_that_fails_after_it_passed(bench: Witness) -> None:
    job = bench.submit("failing", **serve(FAILING), **HTTP)
    bench.await_ready(job)
    bench.know_check(job, "failure")
    bench.hear(job, "check-failed", "though it did pass before", "answered with 503: out of workers")
    bench.end(job)


def test_a_model_that_is_killed(bench: Witness) -> None:
    job = bench.submit("killed", **run("import time; print('serving', flush=True); time.sleep(3600)"))
    bench.await_running(job)
    process_of(bench.rows(job)[0]["ID"]).kill()
    bench.know_event(job, "Terminated")
    bench.hear(job, "killed", "killed by SIGKILL, probably because it used more than its ")
    bench.end(job)


def process_of(replica: str) -> psutil.Process:
    """Return the model's process, found by its environment."""

    def find() -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if environment_of(process).get("SERAI_REPLICA") == replica]

    return eventually(find, 5)[0]


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


EAT = "import time\nhold = []\nwhile True: hold.append(bytearray(1 << 20)); time.sleep(0.001)"


def test_memory_that_is_used_up_with_exec(bench: Witness, agent: Agent) -> None:
    if "exec" not in agent.drivers:
        pytest.skip("exec: the driver does not work here")
    job = bench.submit("oom-exec", driver="exec", resources={"memory": "64MiB"}, command=["python3", "-S", "-c", EAT])
    bench.know_event(job, "Terminated")
    bench.hear(job, "out-of-memory", "used more than its 64 MiB of memory and was killed")
    bench.end(job)


def test_memory_that_is_used_up_with_docker(bench: Witness, docker_image: str) -> None:
    command = ["python3", "-S", "-c", EAT]
    job = bench.submit("oom-docker", image=docker_image, resources={"memory": "64MiB"}, command=command)
    bench.know_event(job, "Terminated")
    bench.hear(job, "out-of-memory", "used more than its 64 MiB of memory and was killed")
    bench.end(job)


def test_images_that_cannot_be_pulled(bench: Witness, docker_image: str) -> None:
    refused = bench.submit("image-refused", image=f"127.0.0.1:{free_port()}/whisper:7")
    bench.know_event(refused, "Driver Failure")
    bench.hear(refused, "image-missing", "whisper:7 cannot be pulled", "refuses connections")
    absent = bench.submit("bad-entrypoint", image=docker_image, command=["/serve-model"])
    bench.know_event(absent, "Driver Failure")
    bench.hear(absent, "command-missing", "/serve-model does not exist")
    bench.end(refused, absent)


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry that has nothing."""

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
        self.send_response(200 if self.path == "/v2/" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_an_image_that_its_registry_does_not_have(bench: Witness, docker_image: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            job = bench.submit("image-unknown", image=f"127.0.0.1:{server.server_port}/whisper:7")
            bench.know_event(job, "Driver Failure")
            bench.hear(job, "image-missing", "whisper:7 cannot be pulled on ", "unknown", is_ours=False)
        finally:
            server.shutdown()
            thread.join()
    bench.end(job)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a registry that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_registry_that_hangs(bench: Witness, docker_image: str, silent: int) -> None:
    job = bench.submit("image-hangs", image=f"127.0.0.1:{silent}/whisper:7")
    bench.know_event(job, "Driver", "Downloading image")
    bench.hear(job, "fetching", "pulls the image 127.0.0.1:", scenario="image-pulled")
    bench.know_event(job, "Driver Failure")
    bench.hear(job, "image-timeout", "was not pulled on node", "in time")
    bench.end(job)


@pytest.mark.skipif(not os.environ.get(SWITCH), reason=f"Nomad tells of a pull after 2 minutes; {SWITCH}=1 waits")
def test_an_image_that_takes_long(agent: Agent, docker_image: str, tmp_path: Path) -> None:
    with open_witness(agent, tmp_path / "pull", {agent.name: "gpu-1"}) as patient, serve_slowly(20_000_000, 2) as slow:
        job = patient.submit("image-slow", image=slow.image)
        patient.know_event(job, "Driver", "layers", timeout_s=150)
        patient.hear(job, "fetching", f"pulls the image {slow.image}: 0 of 1 layers, ", is_ours=False)
        slow.hurry.set()  # a replica that pulls cannot be stopped
        patient.await_end(job)


def test_a_model_that_takes_its_time_to_end(bench: Witness) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    job = bench.submit("stubborn", count=2, drain_timeout="3s", **run(code))
    bench.know(lambda: sum(row["ClientStatus"] == "running" for row in bench.rows(job)) == 2)
    bench.submit("stubborn", count=1, drain_timeout="3s", **run(code))
    bench.know(lambda: any(row["DesiredStatus"] == "stop" for row in bench.rows(job)))
    bench.hear(job, "stopping", scenario="stopping")
    bench.know(lambda: any(row["ClientStatus"] in {"complete", "failed"} for row in bench.rows(job)))
    bench.hear(job, "not-needed", "fewer are wanted", scenario="not-needed")
    bench.end(job)


OF_OPERATOR = """
job "model" {
  group "model" {
    restart { attempts = 0 }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "server" {
      driver = "raw_exec"
      %s
    }
  }
}
"""
BAD_CONFIG = 'config { comand = "/bin/sleep" }'
BAD_FILE = 'template {\n data = "{{ weights }}"\n destination = "local/weights"\n }'


@pytest.fixture
def shaped(agent: Agent, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Witness]:
    """A scheduler whose operator has shaped the jobs, and lets Nomad start nothing again."""
    template = tmp_path / "shape.hcl"
    template.write_text(OF_OPERATOR % request.param)
    names = {agent.name: "gpu-1", sys.executable: "python3", str(agent.folder): "/opt/nomad"}
    with open_witness(agent, tmp_path / "shaped", names, template=str(template)) as made:
        yield made


@pytest.mark.parametrize("shaped", [""], indirect=True)
def test_a_nomad_that_gives_up(shaped: Witness) -> None:
    job = shaped.submit("given-up", **run("raise SystemExit('no weights in /models')"))
    shaped.know_event(job, "Not Restarting")
    shaped.hear(job, "crash-loop", "exited with code 1", "will not be started again", log="no weights in /models")
    shaped.hear(job, "failed-replica", "exited with code 1", scenario="given-up-replica", log="no weights in /models")


@pytest.mark.parametrize("shaped", [BAD_CONFIG], indirect=True)
def test_a_driver_that_refuses_its_configuration(shaped: Witness) -> None:
    job = shaped.submit("bad-configuration")
    shaped.know_event(job, "Failed Validation")
    shaped.hear(job, "scheduler-error", "Nomad refuses the task: failed to parse config", '"comand"')


@pytest.mark.parametrize("shaped", [BAD_FILE], indirect=True)
def test_a_replica_that_cannot_be_set_up(shaped: Witness) -> None:
    job = shaped.submit("bad-template")
    shaped.know_event(job, "Killing")
    shaped.hear(job, "setup-failed", "could not set the replica up", '"weights" not defined')
