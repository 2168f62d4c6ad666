"""The main job on a real Nomad: a folder becomes an address, scales and hands over without a failed request."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from serai.client.watch import watch_deployment
from tests.live.serai_server import NomadInstallation
from tests.processes import find_replica
from tests.system.installation import make_model
from tests.system.load import Load
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def wait_for(serai: NomadInstallation, name: str, state: str, ready: int | None = None) -> None:
    """Wait for a state, and that `serai status` says so."""
    with serai.client() as client:
        for seen in map(dict, watch_deployment(client, name, 60)):
            if seen["state"] == state and (ready is None or seen["ready"] == ready):
                break
    told = json.loads(serai.run("status", name, "--json").stdout)
    assert told["state"] == state and (ready is None or told["ready"] == ready), told


def replicas(serai: NomadInstallation, name: str) -> set[str]:
    versions = json.loads(serai.run("versions", name, "--json").stdout)
    return {replica["id"] for version in versions for replica in version["replicas"] if replica["ready"]}


def test_from_a_folder_to_an_address_and_back_to_nothing(serai: NomadInstallation, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "echo")
    assert serai.deploy_by_cli(folder)["state"] == "running"
    (replica,) = replicas(serai, "echo")
    assert serai.get("/echo/") == f"1 {replica}"
    assert serai.deploy_by_cli(folder)["number"] == 1, "the same folder made a new version"
    eventually(lambda: "listening" in serai.run("logs", "echo").stdout, 10)
    refused = serai.run("delete", "echo", "--all", "--yes")
    assert refused.returncode != 0
    assert "running" in refused.stderr
    assert serai.run("stop", "echo").returncode == 0
    wait_for(serai, "echo", "stopped")
    assert "listening" in serai.run("logs", "echo:1").stdout, "a stopped version keeps its log"
    assert serai.run("start", "echo:1").returncode == 0
    wait_for(serai, "echo", "running", 1)
    assert serai.run("stop", "echo").returncode == 0
    wait_for(serai, "echo", "stopped")
    assert serai.run("delete", "echo", "--all", "--yes").returncode == 0
    assert serai.nomad.api.get("/v1/jobs", namespace=serai.namespace) == []


def test_scaling_under_load_fails_no_request_and_keeps_who_stays(serai: NomadInstallation, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "echo", "replicas: 2\n"))
    first = replicas(serai, "echo")
    load = Load(serai.gateway, "/echo/", threads=4, pause_s=0.05)
    with load.running():
        eventually(lambda: load.count > 60, 60)
        for count in (5, 1):
            assert serai.run("scale", "echo", str(count)).returncode == 0
            wait_for(serai, "echo", "running", count)
            if count == 5:
                assert first < replicas(serai, "echo")
        begun = load.count
        eventually(lambda: load.count > begun + 60, 60)
    assert load.failures == []
    assert replicas(serai, "echo") < first


def test_a_new_version_under_load_fails_no_request(serai: NomadInstallation, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "echo", "replicas: 2\n")
    serai.deploy(folder)
    load = Load(serai.gateway, "/echo/", threads=4, pause_s=0.05)
    with load.running():
        eventually(lambda: load.count > 60, 60)
        (folder / "new").write_text("2")
        serai.deploy(folder)
        eventually(lambda: load.answers["2"] > 60, 60)
    assert load.failures == []
    assert set(load.answers) == {"1", "2"}
    wait_for(serai, "echo", "running", 2)


def test_a_killed_replica_costs_only_what_was_in_flight(serai: NomadInstallation, tmp_path: Path) -> None:
    serai.deploy(make_model(tmp_path / "echo", "replicas: 2\n"))
    victim = find_replica(sorted(replicas(serai, "echo"))[0])[0]
    load = Load(serai.gateway, "/echo/", threads=4, pause_s=0.05)
    with load.running():
        eventually(lambda: load.count > 60, 60)
        os.kill(victim.pid, signal.SIGKILL)
        begun = load.count
        eventually(lambda: load.count > begun + 100, 60)
        wait_for(serai, "echo", "running", 2)
    assert len(load.failures) <= 4, load.failures[:5]
    # The log goes on over the restart.
    eventually(lambda: serai.run("logs", "echo").stdout.count("listening") >= 3, 10, 0.5)


def test_requests_in_flight_outlive_their_version(serai: NomadInstallation, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "echo")
    serai.deploy(folder)
    load = Load(serai.gateway, "/echo/slow=5", threads=2)
    with load.running():
        time.sleep(1)
        load.stop()
        (folder / "new").write_text("2")
        serai.deploy(folder)
        eventually(lambda: serai.get("/echo/").startswith("2 "))
    assert load.failures == []
    assert load.answers == {"1": 2}
