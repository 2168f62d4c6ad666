"""Why a model in an image does not run, said within 5 s of Nomad knowing. On the session's agent and its docker."""

from __future__ import annotations

import http.server
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.agent import Agent
from tests.live.sentences import SWITCH
from tests.live.slow_registry import serve_slowly
from tests.live.test_live_reasons import EAT
from tests.live.witness import NEXT, Witness, open_witness
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nomad-agent")]


@pytest.fixture(scope="module")
def bench(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    names = {agent.name: "gpu-1", sys.executable: "python3", str(agent.folder): "/opt/nomad"}
    with open_witness(agent, tmp_path_factory.mktemp("images"), names, image_pull_timeout="2s") as made:
        yield made


def test_memory_that_is_used_up_with_docker(bench: Witness, docker_image: str) -> None:
    command = ["python3", "-S", "-c", EAT]
    job = bench.submit("oom-docker", image=docker_image, resources={"memory": "64MiB"}, command=command)
    bench.know_event(job, "Terminated")
    bench.hear(job, "out-of-memory", "used more than its 64 MiB of memory and was killed", NEXT)
    bench.end(job)


def test_images_that_cannot_be_pulled(bench: Witness, docker_image: str) -> None:
    refused = bench.submit("image-refused", image=f"127.0.0.1:{free_port()}/whisper:7")
    bench.know_event(refused, "Driver Failure")
    bench.hear(refused, "image-missing", "whisper:7 cannot be pulled", "refuses connections", NEXT)
    absent = bench.submit("bad-entrypoint", image=docker_image, command=["/serve-model"])
    bench.know_event(absent, "Driver Failure")
    bench.hear(absent, "command-missing", "/serve-model does not exist", "or cannot be executed.")
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
    bench.hear(job, "image-timeout", "was not pulled on node", "in time", NEXT)
    bench.end(job)


@pytest.mark.skipif(not os.environ.get(SWITCH), reason=f"Nomad tells of a pull after 2 minutes; {SWITCH}=1 waits")
def test_an_image_that_takes_long(agent: Agent, docker_image: str, tmp_path: Path) -> None:
    with open_witness(agent, tmp_path / "pull", {agent.name: "gpu-1"}) as patient, serve_slowly(20_000_000, 2) as slow:
        job = patient.submit("image-slow", image=slow.image)
        patient.know_event(job, "Driver", "layers", timeout_s=150)
        patient.hear(job, "fetching", f"pulls the image {slow.image}: 0 of 1 layers, ", is_ours=False)
        slow.hurry.set()  # a replica that pulls cannot be stopped
        patient.await_end(job)
