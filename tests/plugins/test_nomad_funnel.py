"""Why no place is found: each obstacle's code and sentence, on clusters made of words and on every recording."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serai.domain.reasons import CATALOGUE
from serai_nomad.facts import ClusterFacts, Holding, NodeFacts
from serai_nomad.place.funnel import explain_placement
from tests.plugins.nomad_rooms import HERE, hold, make_job, make_node

MODEL = {"LTarget": "${device.model}", "Operand": "regexp", "RTarget": "(?i)A100"}
A100 = {"Name": "gpu", "Count": 1, "Constraints": [MODEL]}
TWO = A100 | {"Count": 2}
DOWN: dict[str, Any] = {"status": "down"}
DRAINING: dict[str, Any] = {"is_draining": True, "is_eligible": False}
CLASS = {"LTarget": "${node.class}", "Operand": "=", "RTarget": "x"}

# nodes, who holds what, what is asked for, code, sentence
CASES: dict[str, tuple[list[NodeFacts], list[Holding], dict[str, Any], str, str]] = {
    "no node at all": ([], [], make_job(), "no-node", "Nomad has no node."),
    "an empty pool": (
        [make_node("a", pool="x")], [], make_job(NodePool="gpu"),
        "no-node", "The node pool gpu has no node; there are nodes in: x.",
    ),
    "a datacenter of none": (
        [make_node("a"), make_node("b", datacenter="dc2")], [], make_job(Datacenters=["eu*", "dc3"]),
        "no-node", "The node pool default has no node in eu* or dc3; its nodes are in dc1, dc2.",
    ),
    "all down": (
        [make_node("a", **DOWN), make_node("b", **DRAINING), make_node("c", is_eligible=False)], [], make_job(),
        "no-node",
        "No node that could run it accepts work: a is down, b is being drained, c is not eligible for work.",
    ),
    "the only fitting one down": (
        [make_node("a", memory_mb=64), make_node("b", **DOWN)], [], make_job(),
        "no-node", "No node that could run it accepts work: b is down.",
    ),
    "no GPU anywhere": (
        [make_node("a"), make_node("b")], [], make_job(gpu=A100),
        "gpu-missing",
        ("It needs 1 GPU matching 'A100': none of the 2 nodes of the node pool default has such a GPU"
        " (no GPU at all is reported there)."),
    ),
    "another model": (
        [make_node("a", 2, model="L4"), make_node("b", 1, model="T4")], [], make_job(gpu=TWO),
        "gpu-missing",
        ("It needs 2 GPUs matching 'A100': none of the 2 nodes of the node pool default has such a GPU"
        " (there: 2 L4, 1 T4)."),
    ),
    "too few on a node": (
        [make_node("a", 1), make_node("b", 1), make_node("c")], [], make_job(gpu=TWO),
        "gpu-missing",
        ("It needs 2 GPUs matching 'A100': 2 of the 3 nodes of the node pool default have such GPUs,"
        " but at most 1 of one model on a node."),
    ),
    "in another pool": (
        [make_node("a"), make_node("b", 2, pool="gpu")], [], make_job(gpu=A100),
        "gpu-missing",
        ("It needs 1 GPU matching 'A100': the only node of the node pool default has no such GPU"
        " (no GPU at all is reported there)."
        " Outside of the node pool default there are such GPUs: b (pool gpu, datacenter dc1)."),
    ),
    "all taken": (
        [make_node("a", 2), make_node("b", 2), make_node("c")],
        [hold("whisper-v7", "a", 0, 1), hold("bert-v1", "b", 0), hold("x-v1", "b", 1, namespace="elsewhere")],
        make_job(gpu=A100),
        "gpu-taken",
        ("It needs 1 GPU matching 'A100': 2 of the 3 nodes of the node pool default have such GPUs;"
        " none of 4 is free: held by whisper-v7 (2), bert-v1 (1), others (1)."),
    ),
    "free, but apart": (
        [make_node("a", 2), make_node("b", 2)], [hold("x-v1", "a", 0), hold("y-v1", "b", 0)], make_job(gpu=TWO),
        "gpu-taken",
        ("It needs 2 GPUs matching 'A100': the 2 nodes of the node pool default have such GPUs;"
        " 2 of 4 are free, but not together on one node: held by x-v1 (1), y-v1 (1)."),
    ),
    "taken by its own": (
        [make_node("a", 1)], [hold("asked-v1", "a", 0)], make_job(gpu=A100, count=2),
        "gpu-taken",
        ("It needs 1 GPU matching 'A100': the only node of the node pool default has such GPUs;"
        " none of 1 is free: held by this version itself (1)."),
    ),
    "taken, and another node down": (
        [make_node("a", 1), make_node("b", 1, **DOWN)], [hold("x-v1", "a", 0)], make_job(gpu=A100),
        "gpu-taken",
        ("It needs 1 GPU matching 'A100': the 2 nodes of the node pool default have such GPUs, and 1 of these could run"
        " it; none of 1 is free: held by x-v1 (1). b could hold it, but accepts no work."),
    ),
    "some unhealthy": (
        [make_node("a", 3, sick=(2,))], [hold("x-v1", "a", 0, 1)], make_job(gpu=A100),
        "gpu-taken",
        ("It needs 1 GPU matching 'A100': the only node of the node pool default has such GPUs;"
        " none of 2 healthy ones (1 more unhealthy) is free: held by x-v1 (2)."),
    ),
    "too many unhealthy": (
        [make_node("a", 2, sick=(0,))], [], make_job(gpu=TWO),
        "gpu-unhealthy",
        "It needs 2 GPUs matching 'A100': 1 of the 2 on a is unhealthy: a-0 (ECC error).",
    ),
    "the device plugin is dead": (
        [make_node("a")], [hold("x-v1", "a", 0, 1)], make_job(gpu=A100),
        "gpu-unhealthy",
        "It needs 1 GPU matching 'A100': the device plugin on a no longer reports the GPUs that are in use there.",
    ),
    "the GPU's node misses a constraint": (
        [make_node("a"), make_node("b", 1, node_class="y")], [], make_job(gpu=A100, Constraints=[CLASS]),
        "no-match",
        "The only node of the node pool default with such GPUs does not meet ${node.class} = x; there it is y.",
    ),
    "the GPU's node misses the driver": (
        [make_node("a"), make_node("b", 1, drivers=frozenset({"exec"}))], [], make_job(gpu=A100),
        "driver-missing", "The only node of the node pool default with such GPUs has no working driver docker.",
    ),
    "two constraints, each met somewhere": (
        [make_node("a", node_class="x", meta={"zone": "b"}), make_node("b", meta={"zone": "a"})], [],
        make_job(Constraints=[CLASS, {"LTarget": "${meta.zone}", "Operand": "=", "RTarget": "a"}]),
        "no-match", "None of the 2 nodes of the node pool default meets all of ${node.class} = x and ${meta.zone} = a.",
    ),
    "no such volume": (
        [make_node("a"), make_node("b")], [],
        make_job(group={"Volumes": {"w": {"Type": "host", "Source": "weights", "ReadOnly": True}}}),
        "volume-missing", "None of the 2 nodes of the node pool default has a host volume weights.",
    ),
    "a volume that nobody may write": (
        [make_node("a", volumes=frozenset({"w"}), read_only_volumes=frozenset({"w"}))], [],
        make_job(group={"Volumes": {"w": {"Type": "host", "Source": "w"}}}),
        "volume-missing", "The only node of the node pool default does not let the host volume w be written.",
    ),
    "larger than any node": (
        [make_node("a"), make_node("b", memory_mb=32768)], [], make_job(memory=60_000),
        "too-large",
        ("It asks for 58.6 GiB of memory, and none of the 2 nodes of the node pool default has that even when idle:"
        " the largest, b, has 32 GiB of memory."),
    ),
    "no node with both": (
        [make_node("a", memory_mb=64_000, mhz=1000), make_node("b", mhz=9000)], [], make_job(memory=20_480, mhz=2000),
        "too-large",
        ("It asks for 2000 MHz of CPU and 20 GiB of memory, and none of the 2 nodes of the node pool default has that"
        " even when idle: b has 9000 MHz of CPU and 16 GiB of memory."),
    ),
    "busy": (
        [make_node("a"), make_node("b", memory_mb=4096)],
        [hold("x2-v1", "a", memory_mb=14_336), hold("y-v1", "a", memory_mb=1024, namespace="elsewhere")],
        make_job(memory=10_240),
        "no-capacity",
        ("It asks for 10 GiB of memory, and a, the only node of the node pool default that could hold it, has"
        " 1 GiB of 16 GiB of memory free; held by x2-v1 (14 GiB), others (1 GiB)."),
    ),
    "busy, several": (
        [make_node("a"), make_node("b")], [hold("x-v1", "a", mhz=15_500), hold("x-v1", "b", mhz=15_800)],
        make_job(mhz=1000),
        "no-capacity",
        ("It asks for 1000 MHz of CPU, and the roomiest of the 2 nodes of the node pool default that could hold it, a,"
        " has 500 of 16000 MHz of CPU free; held by x-v1 (15500 MHz)."),
    ),
    "cores reserved by another": (
        [make_node("a")], [hold("x-v1", "a", cores=7, mhz=14_000)],
        make_job() | {"TaskGroups": [{"Tasks": [{"Driver": "docker", "Resources": {"Cores": 2, "MemoryMB": 10}}]}]},
        "no-capacity",
        ("It asks for 2 whole cores, and a, the only node of the node pool default that could hold it, has"
        " 1 of 8 whole cores free; held by x-v1 (7 whole cores)."),
    ),
    "a fixed port": (
        [make_node("a"), make_node("b")],
        [hold("x-v1", "a", ports=frozenset({8000})), hold("y-v1", "b", ports=frozenset({8000, 9}))],
        make_job(group={"Networks": [{"ReservedPorts": [{"Label": "http", "Value": 8000}]}]}),
        "port-taken", "Port 8000 is in use on each of the 2 nodes that could run it, by x-v1 on a, y-v1 on b.",
    ),
    "one a node": (
        [make_node("a")], [hold("asked-v1", "a")],
        make_job(Constraints=[{"Operand": "distinct_hosts", "RTarget": "true"}]),
        "no-capacity",
        "The only node that could run it has a replica already, and distinct_hosts allows one a node.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_obstacle_has_a_code_and_a_sentence(name: str) -> None:
    nodes, held, job, code, text = CASES[name]
    reason = explain_placement(job, {}, ClusterFacts(tuple(nodes), tuple(held)))
    assert (reason.code, reason.text) == (code, text)
    assert reason.help


def test_the_funnel_counts_the_nodes_that_are_left() -> None:
    nodes = (
        make_node("a", pool="x"), make_node("b"), make_node("c", 1, memory_mb=50), make_node("d", 1, **DOWN),
        make_node("e", 1, sick=(0,)), make_node("f", 1), make_node("g", 1),
    )  # fmt: skip
    held = (hold("x-v1", "f", 0), hold("y-v1", "g", memory_mb=16_384))
    reason = explain_placement(make_job(gpu=A100), {}, ClusterFacts(nodes, held))
    assert reason.code == "no-capacity"
    assert reason.funnel == (
        ("in the node pool default", 6),
        ("with such GPUs", 5),
        ("that could hold it", 4),
        ("that accept work", 3),
        ("with healthy GPUs", 2),
        ("with free GPUs", 1),
        ("with room", 0),
    )
    plain = explain_placement(make_job(memory=10**6), {}, ClusterFacts(nodes))
    assert plain.funnel == (("in the node pool default", 6), ("that could hold it", 0)), "after none comes no step"


# Nomad's own words, where nodes do not explain it


@pytest.mark.parametrize(
    ("metrics", "job", "code", "text"),
    [
        ({"NodesEvaluated": 0}, make_job(), "no-node", "No node of the node pool default is ready for work."),
        (
            {"NodesEvaluated": 3, "DimensionExhausted": {"memory": 1, "devices: no devices match request": 2}},
            make_job(gpu=A100, memory=2048),
            "no-capacity",
            "It asks for 2 GiB of memory, and 1 node of the node pool default does not have that much free.",
        ),
        (
            {"NodesEvaluated": 2, "DimensionExhausted": {"devices: no devices match request": 2}},
            make_job(gpu=TWO),
            "gpu-taken",
            "It needs 2 GPUs matching 'A100': 2 nodes of the node pool default have such GPUs, but too few are free.",
        ),
        (
            {"NodesEvaluated": 1, "DimensionExhausted": {"network: reserved port collision http=8000": 1}},
            make_job(group={"Networks": [{"ReservedPorts": [{"Label": "http", "Value": 8000}]}]}),
            "port-taken",
            "Port 8000 is in use on 1 node of the node pool default.",
        ),
        (
            {"NodesEvaluated": 1, "DimensionExhausted": {"network: no addresses available": 1}},
            make_job(),
            "port-taken",
            "No port can be had (no addresses available) on 1 node of the node pool default.",
        ),
        (
            {"NodesEvaluated": 9, "ConstraintFiltered": {"computed class ineligible": 8, "missing drivers": 1}},
            make_job(),
            "driver-missing",
            "1 node of the node pool default has no working driver docker.",
        ),
        (
            {"NodesEvaluated": 3, "ConstraintFiltered": {"missing devices": 1, "${node.class} = x": 2}},
            make_job(gpu=A100),
            "gpu-missing",
            (
                "It needs 1 GPU matching 'A100', and 1 node of the node pool default has too few healthy GPUs"
                " of this kind."
            ),
        ),
        (
            {"NodesEvaluated": 2, "ConstraintFiltered": {"CSI plugin ebs is missing from client x": 2}},
            make_job(group={"Volumes": {"w": {"Source": "weights", "ReadOnly": True}}}),
            "volume-missing",
            (
                "2 nodes of the node pool default have no volume weights that would do"
                " (CSI plugin ebs is missing from client x)."
            ),
        ),
        (
            {"NodesEvaluated": 1, "DimensionExhausted": {"max allocation exceeded": 1}},
            make_job(),
            "no-capacity",
            "There is no room on 1 node of the node pool default: max allocation exceeded.",
        ),
        (
            {"NodesEvaluated": 1, "QuotaExhausted": ["memory exhausted (1 needed > 0 limit)"]},
            make_job(),
            "no-capacity",
            "The namespace's quota is used up: memory exhausted (1 needed > 0 limit).",
        ),
        (
            {"NodesEvaluated": 4},
            make_job(),
            "no-capacity",
            "Nomad found no place on 4 nodes, and does not say why.",
        ),
    ],
)
def test_without_nodes_the_metrics_speak(metrics: dict[str, Any], job: dict[str, Any], code: str, text: str) -> None:
    reason = explain_placement(job, metrics, None)
    assert (reason.code, reason.text) == (code, text)


def test_gpus_held_where_we_may_not_look_are_taken_by_others() -> None:
    metrics = {"NodesEvaluated": 1, "DimensionExhausted": {"devices: no devices match request": 1}}
    reason = explain_placement(make_job(gpu=A100), metrics, ClusterFacts((make_node("a", 1),)))
    assert reason.code == "gpu-taken"
    assert "jobs that Serai may not see must have them" in reason.text
    assert "there is room on a" in reason.text


# the recordings: what Nomad said, with the code that is true of it where no node can be read

RECORDED = {
    "02-no-such-device": "gpu-missing",
    "02b-rec-nodev3": "gpu-missing",
    "02b-rec-nodevattr": "gpu-missing",
    "02b-rec-nodevmodel": "gpu-missing",
    "03-devices-taken": "gpu-taken",
    "03b-device-unhealthy": "gpu-missing",
    "03c-device-heals": "gpu-missing",
    "04-not-enough-cpu": "no-capacity",
    "04-not-enough-memory": "no-capacity",
    "04-partly-placed": "no-capacity",
    "05-filtered-datacenter": "no-node",
    "05-filtered-driver": "driver-missing",
    "05-filtered-meta": "no-match",
    "13b-progress-deadline-while-queued": "no-capacity",
    "13c-queued-without-deployments": "no-capacity",
    "14b-canary-no-capacity": "no-capacity",
    "15b-two-jobs-no-capacity": "no-capacity",
}
# The node of all these recordings: 2 cores of 2.3 GHz and 24 GiB.
ITS_NODE = make_node(
    "demo",
    mhz=4600,
    core_mhz=2300,
    cores=2,
    memory_mb=24_105,
    drivers=frozenset({"raw_exec", "docker"}),
    is_detailed=False,
)
WITH_NODE = RECORDED | {"04-not-enough-cpu": "too-large", "04-not-enough-memory": "too-large"}


def blocked(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (job, metrics) of the blocked evaluations of a recording."""
    snapshots = json.loads((HERE / "nomad_recordings" / f"{name}.json").read_text())["snapshots"]
    return [
        (snapshot["job"], next(iter(evaluation["FailedTGAllocs"].values())))
        for snapshot in snapshots
        for evaluation in snapshot["evaluations"]
        if evaluation["Status"] == "blocked"
    ]


@pytest.mark.parametrize("name", RECORDED)
def test_each_recording_has_its_reason(name: str) -> None:
    found = blocked(name)
    assert found
    for job, metrics in found:
        reason = explain_placement(job, metrics, None)
        assert reason.code == RECORDED[name]
        assert reason.code in CATALOGUE


@pytest.mark.parametrize("name", ["04-not-enough-cpu", "04-not-enough-memory"])
def test_with_nodes_never_is_told_from_not_now(name: str) -> None:
    for job, metrics in blocked(name):
        assert explain_placement(job, metrics, ClusterFacts((ITS_NODE,))).code == WITH_NODE[name]


def test_the_ask_is_told_not_its_multiple() -> None:
    """Nomad's ResourcesExhausted counts the ask once for each replica that waits."""
    for job, metrics in blocked("04-partly-placed"):
        assert "9.77 GiB of memory" in explain_placement(job, metrics, None).text
