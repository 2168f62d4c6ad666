"""Logs that outlive what Nomad keeps: numbered lines over a task's restart, `nomad system gc` and a new server."""

from __future__ import annotations

import urllib.error
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.agent import Agent
from tests.live.conftest import AgentFactory, SeraiFactory
from tests.live.serai_server import NomadInstallation
from tests.system.installation import make_model
from tests.system.numbered import COUNTING, check_numbers
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def load_texts(serai: NomadInstallation) -> list[str]:
    with serai.client() as client:
        return [line["text"] for line in client.list_logs("counting", 1)]


def count_last_life(texts: list[str]) -> int:
    """Return how many lines the present life has; the gateway may have carried the end of one to the next."""
    lives = check_numbers(texts)
    return lives[max(lives)]


def load_whole(serai: NomadInstallation, agent: Agent) -> dict[str, int]:
    """Return how many lines each life has once Serai shows all that Nomad has on disk, nothing before."""
    outputs = agent.folder.glob("data/alloc/*/alloc/logs/server.std*.0")
    on_disk = check_numbers(line for output in outputs for line in output.read_text().splitlines())
    return on_disk if check_numbers(load_texts(serai)) == on_disk else {}


def test_numbered_lines_outlive_nomads_garbage_collection(
    fresh_agent: AgentFactory, serai_on: SeraiFactory, tmp_path: Path
) -> None:
    agent = fresh_agent()
    serai = serai_on(agent, "default")
    serai.deploy(make_model(tmp_path / "counting", "env: {PAUSE_S: '0.2'}\n", COUNTING))
    eventually(lambda: sum(check_numbers(load_texts(serai)).values()) > 200, 30, 0.5)
    with suppress(urllib.error.URLError, OSError):
        serai.get("/counting/die")
    eventually(lambda: len(check_numbers(load_texts(serai))) >= 2, 60, 0.5)
    serai.kill_server()
    serai.start_server()
    eventually(lambda: count_last_life(load_texts(serai)) > 200, 60, 0.5)
    assert serai.run("stop", "counting").returncode == 0
    with serai.client() as client:
        eventually(lambda: client.get_deployment("counting")["state"] == "stopped", 60, 0.5)
    found = eventually(lambda: load_whole(serai, agent), 60, 0.5)
    assert len(found) >= 2
    agent.run("system", "gc")
    eventually(lambda: agent.api.get("/v1/jobs", namespace="default") == [], 30, 0.5)
    eventually(lambda: check_numbers(load_texts(serai)) == found, 10, 0.5)
    serai.kill_server()
    serai.start_server()
    assert check_numbers(load_texts(serai)) == found
    assert f"count {max(found)} {found[max(found)] - 1}" in serai.run("logs", "counting:1", "--tail", "4").stdout
