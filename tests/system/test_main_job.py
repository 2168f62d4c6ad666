"""The main job, as a newcomer has it done: a folder becomes an address, a new version takes over, all of it told."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ports import free_port
from tests.system.installation import MODEL, Installation, make_model
from tests.system.load import Load
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("main-job")]

# Answers /slow once the file named by GATE is there.
GATED = MODEL.replace(
    'time.sleep(float(self.path.partition("=")[2] or 1))',
    'while not os.path.exists(os.environ["GATE"]): time.sleep(0.1)',
)


@pytest.fixture(scope="module")
def serai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all: each test has deployments of its own."""
    made = Installation(tmp_path_factory.mktemp("main-job"))
    try:
        yield made.start()
    finally:
        made.close()


def name_for(tmp_path: Path, name: str) -> str:
    """Return another name where the test is tried once more, as what the first try left is still there."""
    return f"{name}-{tmp_path.name[-1]}"


def load_state(serai: Installation, name: str) -> str:
    with serai.client() as client:
        return str(client.get_deployment(name)["state"])


def processes_of(serai: Installation, name: str) -> list[psutil.Process]:
    return [process for process in serai.model_processes() if f"/workloads/{name}-v" in " ".join(_words(process))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), process.cwd()]
    except psutil.Error:
        return []


def test_from_a_folder_to_an_address_and_back_to_nothing(serai: Installation, tmp_path: Path) -> None:
    folder, before = make_model(tmp_path / "echo"), _bundles(serai)
    deployed = serai.deploy_by_cli(folder)
    assert deployed["state"] == "running" and processes_of(serai, "echo")
    assert serai.get("/echo/").startswith("1 echo-v1-")
    assert serai.deploy_by_cli(folder)["number"] == 1, "the same folder made a new version"
    assert "listening" in serai.run("logs", "echo").stdout
    refused = serai.run("delete", "echo", "--all", "--yes")
    assert refused.returncode != 0
    assert "running" in refused.stderr
    assert serai.run("stop", "echo").returncode == 0
    eventually(lambda: load_state(serai, "echo") == "stopped", 20, 0.1)
    assert json.loads(serai.run("status", "echo", "--json").stdout)["state"] == "stopped"
    assert serai.run("delete", "echo", "--all", "--yes").returncode == 0
    assert not processes_of(serai, "echo")
    assert _bundles(serai) == before


def _bundles(serai: Installation) -> set[Path]:
    return {path for path in (serai.data / "bundles").rglob("*") if path.is_file()}


def test_a_handover_under_constant_load_fails_no_request(serai: Installation, tmp_path: Path) -> None:
    name = name_for(tmp_path, "busy")
    folder = make_model(tmp_path / name, "replicas: 2\n")
    serai.deploy(folder)
    load = Load(serai.gateway, f"/{name}/", threads=6, pause_s=0.03)
    with load.running():
        eventually(lambda: load.count > 100, 60)
        for version in (2, 3):
            (folder / "new").write_text(str(version))
            serai.deploy(folder)
        serai.run("scale", name, "1")
        begun = load.count
        eventually(lambda: load.count > begun + 500, 60)
    assert load.failures == []
    assert set(load.answers) == {"1", "2", "3"}


def test_a_request_in_flight_outlives_its_version_and_the_server(serai: Installation, tmp_path: Path) -> None:
    """The model dies at SIGTERM at once, as many do; so it must not get one before its last answer.

    The next server hears nothing of the request at first, as the gateway that carries it has stopped for a while.
    """
    gate, name = tmp_path / "gate", name_for(tmp_path, "gated")
    folder = make_model(tmp_path / name, f"drain_timeout: 2m\nenv: {{GATE: '{gate}'}}\n", GATED)
    serai.deploy(folder)
    load = Load(serai.gateway, f"/{name}/slow", threads=2)
    with load.running():
        time.sleep(1)  # until the requests are in flight
        load.stop()
        (folder / "new").write_text("2")
        serai.deploy(folder)
        eventually(lambda: serai.get(f"/{name}/").startswith("2 "))
        with without_gateway(serai):
            serai.kill_server()
            serai.start_server()
            eventually(lambda: is_observed(serai, name), 20, 0.1)
            time.sleep(1.5)  # it has had every occasion
        serai.run("stop", name)
        gate.touch()
    assert load.failures == []
    assert load.answers == {"1": 2}
    eventually(lambda: load_state(serai, name) == "stopped", 20, 0.1)


@contextmanager
def without_gateway(serai: Installation) -> Iterator[None]:
    """Freeze the gateway's process, but not what it carries requests with, if that is another."""
    assert serai.gateway_process is not None
    serai.gateway_process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        serai.gateway_process.send_signal(signal.SIGCONT)


def is_observed(serai: Installation, name: str) -> bool:
    with serai.client() as client:
        answer: dict[str, Any] = dict(client.get_deployment(name))
    return not any(version["stale"] for version in answer["versions"])


def test_replace_holds_callers_where_only_one_can_run(serai: Installation, tmp_path: Path) -> None:
    port, name = free_port(), name_for(tmp_path, "fixed")
    code = MODEL.replace('int(os.environ["PORT"])', str(port))
    folder = make_model(tmp_path / name, f"port: {port}\ndrain_timeout: 5s\n", code)
    serai.deploy(folder)
    load = Load(serai.gateway, f"/{name}/", threads=3, pause_s=0.03)
    with load.running():
        eventually(lambda: load.count > 50)
        (folder / "new").write_text("2")
        serai.deploy(folder)
        eventually(lambda: load.answers["2"] > 50)
    assert load.failures == []


def test_the_gateway_serves_on_without_the_server_and_counts_exactly(serai: Installation, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "counted"))
    expected = load_count(serai, "counted") + 71  # there are some where this test is tried once more
    serai.kill_server()
    for _ in range(40):
        assert serai.get("/counted/").startswith("1 ")
    serai.kill_gateway()
    serai.start_gateway()  # from its disk: the server is still dead
    for _ in range(30):
        assert serai.get("/counted/").startswith("1 ")
    serai.start_server()
    assert serai.get("/counted/").startswith("1 ")
    serai.kill_gateway(signal.SIGTERM)
    serai.start_gateway()

    eventually(lambda: load_count(serai, "counted") == expected, 60, 0.5)
    told = serai.run("metrics", "counted", "--range", "1h", "--json")
    assert json.loads(told.stdout)["total"]["count"] == expected


def load_count(serai: Installation, name: str) -> int:
    with serai.client() as client:
        return int(client.load_requests(name, {"from": "1h", "interval": "1m"})["total"]["count"])


def test_a_killed_replica_is_replaced_and_its_end_is_told(serai: Installation, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "mortal", "replicas: 2\n"))
    with pytest.raises(Exception):  # noqa: B017 - whichever way the answer breaks off
        serai.get("/mortal/die")
    eventually(lambda: load_state(serai, "mortal") == "running", 20, 0.1)
    assert "7" in serai.run("logs", "mortal").stdout
    for _ in range(20):
        assert serai.get("/mortal/").startswith("1 ")


# what is wrong with the model -> manifest, start.sh, code of the reason, a part of what the user is told
BROKEN = {
    "exits": ("start_attempts: 2\n", "echo no weights >&2; exit 3", "crash-loop", "no weights"),
    "never listens": ("start_timeout: 2s\n", "sleep 60", "never-listened", "PORT"),
    "another port": ("start_timeout: 4s\n", "exec python3 -m http.server 0 --bind 127.0.0.1", "never-listened", "port"),
    "no such command": ("start_attempts: 1\ncommand: [./serve]\n", "", "command-missing", "serve"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_model_says_why(serai: Installation, tmp_path: Path, what: str) -> None:
    manifest, script, code, part = BROKEN[what]
    name = name_for(tmp_path, what.replace(" ", "-"))
    folder = make_model(tmp_path / name, manifest)
    (folder / "start.sh").write_text(f"#!/bin/sh\n{script}\n")
    done = serai.run("deploy", str(folder), timeout_s=60)
    assert done.returncode == 3, done.stdout + done.stderr
    status = json.loads(serai.run("status", name, "--json").stdout)
    assert (status["state"], status["reason"]["code"]) == ("error", code)
    assert part in done.stderr
    eventually(lambda: not processes_of(serai, name), 20, 0.1)
