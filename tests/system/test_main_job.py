"""The main job, as a newcomer has it done: a folder becomes an address, a new version takes over, all of it told."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.system.installation import MODEL, Installation, make_model
from tests.system.load import Load
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_from_a_folder_to_an_address_and_back_to_nothing(serai: Installation, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "echo")
    deployed = serai.deploy(folder)
    assert deployed["state"] == "running"
    assert serai.get("/echo/").startswith("1 echo-v1-")
    assert serai.deploy(folder)["number"] == 1, "the same folder made a new version"
    assert "listening" in serai.run("logs", "echo").stdout
    refused = serai.run("delete", "echo", "--all", "--yes")
    assert refused.returncode != 0
    assert "running" in refused.stderr
    assert serai.run("stop", "echo").returncode == 0
    eventually(lambda: json.loads(serai.run("status", "echo", "--json").stdout)["state"] == "stopped", 20)
    assert serai.run("delete", "echo", "--all", "--yes").returncode == 0
    assert not serai.model_processes()
    assert not [path for path in (serai.data / "bundles").rglob("*") if path.is_file()]


def test_a_handover_under_constant_load_fails_no_request(serai: Installation, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "echo", "replicas: 2\n")
    serai.deploy(folder)
    load = Load(serai.gateway, "/echo/", threads=6)
    with load.running():
        eventually(lambda: load.count > 1000, 60)
        for version in (2, 3):
            (folder / "new").write_text(str(version))
            serai.deploy(folder)
        serai.run("scale", "echo", "1")
        begun = load.count
        eventually(lambda: load.count > max(10_000, begun + 1000), 150)
    assert load.failures == []
    assert set(load.answers) == {"1", "2", "3"}


def test_a_request_in_flight_outlives_its_version(serai: Installation, tmp_path: Path) -> None:
    """The model dies at SIGTERM at once, as many do; so it must not get one before its last answer."""
    folder = make_model(tmp_path / "echo")
    serai.deploy(folder)
    load = Load(serai.gateway, "/echo/slow=6", threads=2)
    with load.running():
        time.sleep(1)  # until the requests are in flight
        load.stop()
        (folder / "new").write_text("2")
        serai.deploy(folder)
        assert serai.get("/echo/").startswith("2 ")
        serai.run("stop", "echo")
    assert load.failures == []
    assert load.answers == {"1": 2}


def test_replace_holds_callers_where_only_one_can_run(serai: Installation, tmp_path: Path) -> None:
    port = free_port()
    code = MODEL.replace('int(os.environ["PORT"])', str(port))
    folder = make_model(tmp_path / "fixed", f"port: {port}\ndrain_timeout: 5s\n", code)
    serai.deploy(folder)
    load = Load(serai.gateway, "/fixed/", threads=3, pause_s=0.01)
    with load.running():
        eventually(lambda: load.count > 50)
        (folder / "new").write_text("2")
        serai.deploy(folder)
        eventually(lambda: load.answers["2"] > 50)
    assert load.failures == []


def test_the_gateway_serves_on_without_the_server_and_counts_exactly(serai: Installation, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "echo"))
    serai.kill_server()
    for _ in range(40):
        assert serai.get("/echo/").startswith("1 ")
    serai.kill_gateway()
    serai.start_gateway()  # from its disk: the server is still dead
    for _ in range(30):
        assert serai.get("/echo/").startswith("1 ")
    serai.start_server()
    assert serai.get("/echo/").startswith("1 ")
    serai.kill_gateway(signal.SIGTERM)
    serai.start_gateway()

    def counted() -> int:
        answer = serai.run("metrics", "echo", "--range", "1h", "--json")
        return int(json.loads(answer.stdout)["total"]["count"])

    eventually(lambda: counted() == 71, 30, 0.5)


def test_a_killed_replica_is_replaced_and_its_end_is_told(serai: Installation, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "echo", "replicas: 2\n"))
    with pytest.raises(Exception):  # noqa: B017 - whichever way the answer breaks off
        serai.get("/echo/die")
    eventually(lambda: json.loads(serai.run("status", "echo", "--json").stdout)["state"] == "running", 20)
    assert "7" in serai.run("logs", "echo").stdout
    for _ in range(20):
        assert serai.get("/echo/").startswith("1 ")


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
    folder = make_model(tmp_path / "broken", manifest)
    (folder / "start.sh").write_text(f"#!/bin/sh\n{script}\n")
    done = serai.run("deploy", str(folder), timeout_s=60)
    assert done.returncode == 3, done.stdout + done.stderr
    status = json.loads(serai.run("status", "broken", "--json").stdout)
    assert (status["state"], status["reason"]["code"]) == ("error", code)
    assert part in done.stderr
    eventually(lambda: not serai.model_processes(), 20)
