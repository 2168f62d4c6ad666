"""Why a model does not run, said within 5 s of Nomad knowing: on its way up, and at its end. On the session's agent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.agent import Agent
from tests.live.witness import NEXT, Witness, open_witness
from tests.processes import find_replica
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
    with open_witness(agent, tmp_path_factory.mktemp("reasons"), names) as made:
        yield made


def test_a_crash_loop_tells_code_next_try_and_last_lines(bench: Witness) -> None:
    job = bench.submit("crashing", **run("print('loading'); raise SystemExit('no weights in /models')"))
    bench.know_event(job, "Restarting")
    words = ("exited with code 1", NEXT, "after a pause of ")
    reason = bench.hear(job, "restarting", *words, log="no weights in /models")
    assert reason.exit_code == 1
    bench.end(job)


def test_a_command_that_is_not_there(bench: Witness) -> None:
    job = bench.submit("bad-command", command=["serve-model", "--fast"])
    bench.know_event(job, "Terminated")
    reason = bench.hear(job, "command-missing", "a command was not found", NEXT)
    assert reason.exit_code == 127
    assert any("serve-model" in line for line in reason.log)
    bench.end(job)


def test_an_installation_that_fails(bench: Witness) -> None:
    bundle = bench.add_bundle({"start.sh": "#!/bin/sh\nsleep 9", "requirements.txt": "./no-such-wheel.whl\n"})
    job = bench.submit("bad-requirements", bundle=bundle, command="./start.sh")
    bench.know_event(job, "Started", task="install")
    bench.hear(job, "installing", scenario="installing")
    bench.know_event(job, "Terminated", task="install", timeout_s=120)
    reason = bench.hear(job, "install-failed", "Installing requirements.txt failed with exit code 1", NEXT)
    assert any("no-such-wheel" in line for line in reason.log)
    bench.end(job)


def test_files_that_cannot_be_fetched(bench: Witness) -> None:
    wrong = bench.add_bundle({"start.sh": "#!/bin/sh\nsleep 9"}, served=b"something else")
    job = bench.submit("bundle-changed", bundle=wrong, command="./start.sh")
    bench.know_event(job, "Failed Artifact Download")
    bench.hear(job, "bundle-broken", "are not those of the version", NEXT)
    gone = bench.add_bundle({"start.sh": "#!/bin/sh\nsleep 8"})
    (bench.bundles.folder / gone.removeprefix("sha256:")).unlink()
    missing = bench.submit("bundle-gone", bundle=gone, command="./start.sh")
    bench.know_event(missing, "Failed Artifact Download")
    bench.hear(missing, "artifact-failed", "could not fetch the version's files", "404", NEXT)
    bench.end(job, missing)


def test_secrets_that_are_gone(bench: Witness) -> None:
    job = bench.submit("no-secret", count=0, secrets={"KEY": "value"})
    bench.api.delete(f"/v1/var/nomad/jobs/{job}", namespace=bench.namespace)
    bench.scale("no-secret", 1, secrets={"KEY": "value"})
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
    replica = bench.rows(job)[0]["ID"]
    eventually(lambda: find_replica(replica), 5)[0].kill()
    bench.know_event(job, "Terminated")
    bench.hear(job, "killed", "killed by SIGKILL, probably because it used more than its ", NEXT)
    bench.end(job)


EAT = "import time\nhold = []\nwhile True: hold.append(bytearray(1 << 20)); time.sleep(0.001)"


def test_memory_that_is_used_up_with_exec(bench: Witness, agent: Agent) -> None:
    if "exec" not in agent.drivers:
        pytest.skip("exec: the driver does not work here")
    job = bench.submit("oom-exec", driver="exec", resources={"memory": "64MiB"}, command=["python3", "-S", "-c", EAT])
    if bench.know_event(job, "Terminated")["Details"]["oom_killed"] == "true":
        bench.hear(job, "out-of-memory", "used more than its 64 MiB of memory and was killed", NEXT)
    else:  # the process had ended before Nomad's executor was told why, which happens with cgroup v2
        assert Path("/sys/fs/cgroup/cgroup.controllers").exists()
        bench.hear(job, "killed", "killed by SIGKILL, probably because it used more than its 64 MiB of memory")
    bench.end(job)


def test_a_model_that_takes_its_time_to_end(bench: Witness) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    job = bench.submit("stubborn", count=2, drain_timeout="3s", **run(code))
    bench.know(lambda: sum(row["ClientStatus"] == "running" for row in bench.rows(job)) == 2)
    bench.scale("stubborn", 1, drain_timeout="3s", **run(code))
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
    shaped.hear(
        job, "scheduler-error", "refuses the task: failed to parse config", '"comand"; it will not be started again'
    )


@pytest.mark.parametrize("shaped", [BAD_FILE], indirect=True)
def test_a_replica_that_cannot_be_set_up(shaped: Witness) -> None:
    job = shaped.submit("bad-template")
    shaped.know(lambda: any(row["ClientStatus"] == "failed" for row in shaped.rows(job)))
    words = ("could not set the replica up", '"weights" not defined; it will not be started again')
    shaped.hear(job, "setup-failed", *words)
