"""What becomes of a model whose node goes, said within 5 s of Nomad knowing. On a server and two clients.

The second client has a GPU; neither publishes statistics of replicas. Each test leaves both clients at work, but for
the last.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serai.domain.reasons import Reason
from serai_gpu.install import install
from tests.live.agent import Agent
from tests.live.cluster import Cluster
from tests.live.leftovers import make_folder
from tests.live.witness import Witness, open_witness
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nomad-reasons")]

T4: dict[str, Any] = {"resources": {"memory": "64MiB", "gpu": {"count": 1, "device": "nvidia/gpu/T4"}}}


@dataclass(frozen=True, slots=True)
class Stage:
    cluster: Cluster
    bench: Witness
    plugins: Path


@pytest.fixture(scope="module")
def stage(nomad: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with make_folder("nodes") as folder:
        plugins = install(folder / "plugins").parent
        gpu = {"mode": "simulated", "node": "n", "models": ["T4:1"], "period": "200ms"}
        clients = [{}, {"plugin_dir": plugins, "plugins": {"serai-gpu": gpu}}]
        names = {sys.executable: "python3", "client-1": "cpu-1", "client-2": "gpu-1"}
        with (
            Cluster(folder, nomad, 1, clients, exec=False, statistics=False) as cluster,
            open_witness(cluster, tmp_path_factory.mktemp("nodes"), names, lost_after="3s") as bench,
        ):
            bench.submit("steady", **on(cluster.clients[1]))
            yield Stage(cluster, bench, plugins)


def on(client: Agent) -> dict[str, Any]:
    """Return a placement on that node alone."""
    return {"placement": {"constraints": [f"${{node.unique.name}} = {client.name}"]}}


def test_a_node_that_is_drained(stage: Stage) -> None:
    bench, (first, second) = stage.bench, stage.cluster.clients
    stage.cluster.set_eligible(second, False)
    job = bench.submit("drained", drain_timeout="3s", command=["/bin/sh", "-c", "trap '' TERM; sleep 60 & wait; wait"])
    bench.await_running(job)
    stage.cluster.drain(first)
    try:
        bench.know(lambda: any(row["DesiredTransition"].get("Migrate") for row in bench.rows(job)))
        bench.hear(job, "node-drained", "Node client-1 is being drained", scenario="draining")
        bench.know(lambda: any(row["ClientStatus"] in {"complete", "failed"} for row in bench.rows(job)))
        bench.hear(job, "node-drained", "Node client-1 was drained", scenario="drained")
        bench.know(lambda: not stage.cluster.api.get(f"/v1/node/{first.node_id}")["DrainStrategy"])
        bench.hear(job, "no-node", "client-1 is not eligible", "client-2 is", scenario="no-node-ready")
    finally:
        stage.cluster.end_drain(first)
        stage.cluster.set_eligible(second, True)
    bench.await_running(job)
    bench.await_end(job)


def test_a_node_that_does_not_answer_yet(stage: Stage) -> None:
    """A client that hangs takes no new replica; soon its servers find it missing."""
    bench, (first, _) = stage.bench, stage.cluster.clients
    first.pause()
    try:
        job = bench.submit("placed", **on(first))
        bench.know(lambda: bench.rows(job))
        bench.hear(job, "placed", "is about to start")
    finally:
        first.resume()
    bench.await_running(job)
    bench.await_end(job)


def test_a_node_that_goes_away(stage: Stage) -> None:
    """First it is out of sight and may come back; after `lost_after` it is lost."""
    bench, (first, _) = stage.bench, stage.cluster.clients
    job = bench.submit("unreachable", **on(first))
    bench.await_running(job)
    first.kill()
    bench.know(lambda: any(row["ClientStatus"] == "unknown" for row in bench.rows(job)))
    bench.hear(job, "node-unreachable", "Node client-1 cannot be reached", scenario="node-unreachable")
    bench.know(lambda: any(row["ClientStatus"] == "lost" for row in bench.rows(job)))
    bench.hear(job, "node-lost", "Node client-1 is down; the process may still run there.", scenario="node-lost")
    bench.know_blocked(job)
    bench.hear(job, "no-node", "client-1 is down", "after", scenario="no-node-lost")
    first.start().wait_ready()
    bench.await_running(job)
    bench.await_end(job)


def test_a_crash_that_is_placed_anew(stage: Stage) -> None:
    bench = stage.bench
    job = bench.submit("rescheduled", command=["/bin/sh", "-c", "echo no weights; exit 3"])
    bench.know(lambda: any(row["ClientStatus"] == "failed" for row in bench.rows(job)))
    reason = bench.hear(job, "rescheduling", "exited with code 3; another replica is started at ")
    assert reason.exit_code == 3
    bench.end(job)


def test_statistics_that_are_not_published(stage: Stage) -> None:
    """That is certain of a replica that has run for 30 s and was never measured: the stage's own has, by now."""
    bench = stage.bench
    (replica,) = bench.look_again("steady-v1").replicas

    def find() -> Reason | None:
        samples = bench.scheduler.usage(["steady-v1"])
        return next((sample.missing for sample in samples if sample.replica == replica.id), None)

    reason = eventually(find, 40, 0.5)
    assert reason is not None
    assert (reason.code, "does not publish what replicas use" in reason.text) == ("statistics-missing", True)
    bench.sentences.take("statistics", reason)


def test_a_device_plugin_that_is_gone_with_its_client(stage: Stage) -> None:
    bench, (_, second) = stage.bench, stage.cluster.clients
    job = bench.submit("gpu-user", **T4)
    bench.await_running(job)
    (stage.plugins / "serai-gpu").rename(stage.plugins.parent / "away")
    second.stop()
    second.start().wait_ready()
    eventually(lambda: not stage.cluster.api.get(f"/v1/node/{second.node_id}")["NodeResources"]["Devices"], 10)
    waiting = bench.submit("gpu-gone", **T4)
    bench.know_blocked(waiting)
    bench.hear(waiting, "gpu-unhealthy", "the device plugin on client-2 no longer reports the GPUs")
    bench.end(job, waiting)
