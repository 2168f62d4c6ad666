"""Nodes, demands and conditions as Nomad writes them: parsed from a recording, compared as Nomad compares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serai.domain.observation import OTHER, NodeStatus
from serai_nomad.facts import ClusterFacts, DeviceGroup, DeviceInstance
from serai_nomad.place.asks import Ask, DeviceAsk, VolumeAsk, parse_ask
from serai_nomad.place.capacity import derive_capacity, find_status
from serai_nomad.place.conditions import Constraint, does_group_meet, does_node_meet
from serai_nomad.place.device_attributes import compare, read_attribute, read_literal
from serai_nomad.place.devices_match import GONE, complete_groups, does_group_match
from serai_nomad.place.nodes import find_unread, parse_cluster, parse_detail, parse_holding, parse_node
from tests.plugins.nomad_rooms import GIB, hold, load_cluster, load_recorded, make_job, make_node

# the recording


def test_nodes_are_read_with_what_they_have() -> None:
    one, two, three = load_cluster().nodes
    assert [(node.name, node.pool, node.node_class) for node in (one, two, three)] == [
        ("client-1", "gpu", "a100"), ("client-2", "gpu", "a100"), ("client-3", "default", "plain"),
    ]  # fmt: skip
    assert all(node.is_ready and node.is_detailed and node.memory_mb == 4096 for node in (one, two, three))
    assert (one.mhz, one.core_mhz, one.cores) == (4998, 2499, 2)
    assert one.addresses == 2, "IPv4 and IPv6 of the loopback interface"
    assert {"raw_exec", "mock_driver"} <= one.drivers
    assert "docker" not in one.drivers
    assert (sorted(one.volumes), sorted(one.read_only_volumes), sorted(three.volumes)) == (["weights"], [], [])
    assert three.meta["zone"] == "b"
    assert one.attributes["kernel.name"] == "linux"


def test_devices_are_read_with_memory_and_health() -> None:
    _, two, _ = load_cluster().nodes
    big, small = two.devices
    assert (big.vendor, big.type, big.model, big.memory_bytes, len(big.instances)) == (
        "nvidia",
        "gpu",
        "A100-40GB",
        40 * GIB,
        1,
    )
    assert (small.model, small.memory_bytes) == ("T4", 16 * GIB)
    assert [(unit.is_healthy, unit.description) for unit in small.instances] == [
        (False, "it fell off the bus"), (True, ""),
    ]  # fmt: skip


def test_holdings_are_read_of_every_namespace() -> None:
    cluster = load_cluster()
    names = {node.id: node.name for node in cluster.nodes}
    held = {h.job: h for h in cluster.holdings}
    assert {job: (h.namespace, names[h.node], h.memory_mb) for job, h in held.items()} == {
        "bert-v1": ("models", "client-1", 3072),
        "secret-v1": ("elsewhere", "client-2", 64),
        "fixed-v1": ("models", "client-3", 64),
    }
    assert held["fixed-v1"].ports == {18765}
    assert len(held["bert-v1"].device_ids["nvidia", "gpu", "A100-40GB"]) == 1


def test_what_has_ended_holds_nothing_and_what_ends_still_does() -> None:
    row = load_recorded()["allocations"][0]
    for client, desired, count in (
        ("running", "stop", 1), ("unknown", "run", 1), ("pending", "run", 1), ("complete", "run", 0),
        ("failed", "run", 0), ("lost", "stop", 0),
    ):  # fmt: skip
        cluster = parse_cluster([], [row | {"ClientStatus": client, "DesiredStatus": desired}])
        assert len(cluster.holdings) == count, (client, desired)


def test_details_are_read_again_only_when_a_node_has_changed() -> None:
    raw = load_recorded()
    nodes, details = raw["nodes"], {node["ID"]: parse_detail(node) for node in raw["details"]}
    assert set(find_unread(nodes, {})) == set(details)
    assert find_unread(nodes, details) == []
    changed = nodes[0] | {"ModifyIndex": nodes[0]["ModifyIndex"] + 1}
    assert find_unread([changed, *nodes[1:]], details) == [changed["ID"]]


def test_without_details_unknown_attributes_are_not_held_against_a_node() -> None:
    node = load_cluster(detailed=False).nodes[0]
    for target, met in (("${attr.kernel.name}", None), ("${meta.zone}", None), ("${attr.nomad.version}", False)):
        assert does_node_meet(Constraint(target, "=", "no such value"), node) is met


def test_what_an_operator_keeps_back_is_not_for_jobs() -> None:
    row = dict(load_recorded()["nodes"][0])
    row["ReservedResources"] = {"Cpu": {"CpuShares": 98}, "Memory": {"MemoryMB": 96}, "Disk": {"DiskMB": 1}}
    row["NodeResources"] = row["NodeResources"] | {
        "Cpu": {"CpuShares": 4998, "TotalCpuCores": 2, "ReservableCpuCores": [1]}
    }
    node = parse_node(row)
    assert (node.mhz, node.memory_mb, node.cores, node.core_mhz) == (4900, 4000, 1, 2499)


@pytest.mark.parametrize(
    ("tasks", "lifecycles", "memory", "mhz", "cores"),
    [
        ({"server": (100, 0, 300)}, {}, 300, 100, 0),
        ({"install": (500, 0, 200), "server": (100, 0, 300)}, {"install": {"Hook": "prestart"}}, 300, 500, 0),
        (
            {"proxy": (50, 0, 20), "server": (100, 0, 300)},
            {"proxy": {"Hook": "prestart", "Sidecar": True}},
            320,
            150,
            0,
        ),
        ({"server": (100, 0, 300), "sweep": (10, 0, 900)}, {"sweep": {"Hook": "poststop"}}, 900, 100, 0),
        ({"install": (100, 0, 10), "server": (5000, 2, 300)}, {"install": {"Hook": "prestart"}}, 300, 5100, 2),
    ],
)
def test_tasks_that_take_turns_hold_the_most_that_any_needs(
    tasks: dict[str, Any], lifecycles: dict[str, Any], memory: int, mhz: int, cores: int
) -> None:
    """Reserved cores, and their MHz, are held by the side of all the rest."""
    given = {
        name: {"Cpu": {"CpuShares": m, "ReservedCores": list(range(c))}, "Memory": {"MemoryMB": mb}}
        for name, (m, c, mb) in tasks.items()
    }
    resources = {"Tasks": given, "TaskLifecycles": lifecycles, "Shared": {"DiskMB": 300}}
    held = parse_holding({"ID": "a", "JobID": "x-v1", "NodeID": "n", "AllocatedResources": resources})
    assert (held.memory_mb, held.mhz, held.cores, held.disk_mb) == (memory, mhz, cores, 300)


# demands


def write(left: str, operand: str, right: str) -> dict[str, str]:
    return {"LTarget": left, "Operand": operand, "RTarget": right}


def test_a_demand_is_read_from_a_job() -> None:
    job = make_job(
        gpu={"Name": "nvidia/gpu", "Count": 2, "Constraints": [write("${device.model}", "regexp", "A")]},
        NodePool="gpu",
        Constraints=[write("${node.class}", "=", "a"), {"Operand": "distinct_hosts", "RTarget": "true"}],
        group={
            "EphemeralDisk": {"SizeMB": 500},
            "Networks": [{"ReservedPorts": [{"Label": "http", "Value": 8000}], "DynamicPorts": [{"Label": "x"}]}],
            "Volumes": {
                "w": {"Type": "host", "Source": "weights", "ReadOnly": True},
                "c": {"Type": "csi", "Source": "x"},
            },
        },
    )  # fmt: skip
    assert parse_ask(job) == Ask(
        job="asked-v1",
        namespace="models",
        pool="gpu",
        mhz=100,
        memory_mb=100,
        disk_mb=500,
        devices=(DeviceAsk("nvidia/gpu", 2, (Constraint("${device.model}", "regexp", "A"),)),),
        constraints=(Constraint("${node.class}", "=", "a"), Constraint("", "distinct_hosts", "true")),
        drivers=frozenset({"docker"}),
        volumes=(VolumeAsk("weights", read_only=True),),
        ports=frozenset({8000}),
        is_alone=True,
    )


def test_what_a_job_leaves_out_is_what_nomad_puts_in() -> None:
    ask = parse_ask({"ID": "x-v1", "TaskGroups": [{"Tasks": [{"Name": "server", "Driver": "exec"}]}]})
    assert (ask.mhz, ask.memory_mb, ask.disk_mb, ask.pool, ask.datacenters) == (100, 300, 300, "default", ("*",))
    cores = {"ID": "x-v1", "TaskGroups": [{"Tasks": [{"Driver": "exec", "Resources": {"Cores": 2, "CPU": 100}}]}]}
    assert (parse_ask(cores).cores, parse_ask(cores).mhz) == (2, 0)


# values and conditions


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("40 GiB", "40960 MiB", 0),
        ("40GiB", "40 GB", 1),
        ("1.5 GHz", "1600 MHz", -1),
        ("300 W", "0.3 kW", 0),
        ("40 GiB", "40", None),
        ("40 GiB", "40 MHz", None),
        ("40 GiB/s", "40 GiB", None),
        ("4090", "4090", 0),
        ("A100", "H100", -1),
        ("true", "True", 0),
        ("true", "false", 1),
        ("true", "yes", None),
        ("10", "9", 1),
    ],
)
def test_literals_compare_as_quantities_where_both_are(left: str, right: str, order: int | None) -> None:
    assert compare(read_literal(left), read_literal(right)) == order


def test_attributes_are_read_with_their_units() -> None:
    assert read_attribute({"Int": 40960, "Unit": "MiB"}) == read_literal("40 GiB")
    assert read_attribute({"Float": 1.5, "Unit": "GHz"}) == read_literal("1500 MHz")
    assert read_attribute({"String": "", "Unit": ""}) == ""
    assert read_attribute({"Bool": False}) is False
    assert read_attribute({"Int": 3, "Unit": "parsecs"}) is None
    assert read_attribute({}) is None


GROUP = DeviceGroup(
    "nvidia",
    "gpu",
    "Tesla T4/x",
    (DeviceInstance("a"),),
    16 * GIB,
    {"memory": {"Int": 16384, "Unit": "MiB"}, "arch": {"String": "Turing"}},
)


@pytest.mark.parametrize(
    ("name", "constraint", "met"),
    [
        ("gpu", None, True),
        ("nvidia/gpu", None, True),
        ("amd/gpu", None, False),
        ("nvidia/gpu/Tesla T4/x", None, True),
        ("nvidia/gpu/Tesla T4", None, False),
        ("nvidia", None, False),
        ("gpu", ("${device.attr.memory}", ">=", "16 GiB"), True),
        ("gpu", ("${device.attr.memory}", ">=", "17 GiB"), False),
        ("gpu", ("${device.attr.memory}", ">=", "16"), False),
        ("gpu", ("${device.attr.nothing}", ">=", "1"), False),
        ("gpu", ("${device.attr.nothing}", "is_not_set", ""), True),
        ("gpu", ("${device.attr.nothing}", "!=", "1"), True),
        ("gpu", ("${device.model}", "regexp", "(?i)tesla"), True),
        ("gpu", ("${device.model}", "regexp", "H100|H200"), False),
        ("gpu", ("${device.model}", "=", "Tesla T4/x"), True),
        ("gpu", ("${device.vendor}", "!=", "nvidia"), False),
        ("gpu", ("${device.ids}", "set_contains", "a"), True),
        ("gpu", ("${device.attr.arch}", "set_contains_any", "Volta,Turing"), True),
        ("gpu", ("${device.model}", "regexp", "(?P<broken"), None),
        ("gpu", ("${device.model}", "version", ">= 1"), None),
    ],
)
def test_groups_match_by_name_and_constraints(
    name: str, constraint: tuple[str, str, str] | None, met: bool | None
) -> None:
    constraints = (Constraint(*constraint),) if constraint else ()
    assert does_group_match(GROUP, DeviceAsk(name, 1, constraints)) is met
    if constraint:
        assert does_group_meet(Constraint(*constraint), GROUP) is met


NODE = make_node(
    "n1",
    attributes={"cpu.numcores": "16", "driver.docker.runtimes": "nvidia,runc"},
    meta={"zone": "b"},
    node_class="a100",
)


@pytest.mark.parametrize(
    ("constraint", "met"),
    [
        (("${node.class}", "=", "a100"), True),
        (("${node.unique.name}", "!=", "n1"), False),
        (("${node.datacenter}", "regexp", "^dc[12]$"), True),
        (("${node.pool}", "is", "default"), True),
        (("${attr.cpu.numcores}", ">", "9"), True),
        (("${meta.zone}", "<", "a"), False),
        (("${meta.zone}", "is_set", ""), True),
        (("${meta.nothing}", "is_set", ""), False),
        (("${meta.nothing}", "!=", "x"), True),
        (("${meta.nothing}", "=", ""), False),
        (("${attr.driver.docker.runtimes}", "set_contains", "nvidia"), True),
        (("${attr.driver.docker.runtimes}", "set_contains", "nvidia,runsc"), False),
        (("${attr.cpu.numcores}", "version", ">= 3"), None),
        (("${something.new}", "=", "x"), None),
        (("", "distinct_hosts", "true"), True),
        (("${meta.zone}", "distinct_property", "2"), True),
    ],
)
def test_nodes_meet_constraints(constraint: tuple[str, str, str], met: bool | None) -> None:
    assert does_node_meet(Constraint(*constraint), NODE) is met


# capacity


def test_devices_that_vanished_under_their_holder_are_shown_as_unhealthy() -> None:
    node = make_node("n1")
    (group,) = complete_groups(node, [hold("x-v1", "n1", 0, 1)])
    assert [(unit.id, unit.is_healthy, unit.description) for unit in group.instances] == [
        ("n1-0", False, GONE), ("n1-1", False, GONE),
    ]  # fmt: skip
    (shown,) = derive_capacity(ClusterFacts((node,), (hold("x-v1", "n1", 0),)), "models")
    assert [(gpu.taken_by, gpu.healthy, gpu.problem) for gpu in shown.gpus] == [("x-v1", False, GONE)]


def test_capacity_is_ordered_and_names_only_our_workloads() -> None:
    nodes = (make_node("gpu-10", 2, sick=(1,), pool="b"), make_node("gpu-2", pool="b"), make_node("z", pool="a"))
    held = (
        hold("bert-v1", "gpu-10", 0, mhz=3000, memory_mb=1024),
        hold("postgres", "gpu-2", 0, model="L4"),
        hold("bert-v1", "gpu-2", 1, model="L4", namespace="elsewhere"),
    )
    shown = derive_capacity(ClusterFacts(nodes, held), "models")
    assert [node.name for node in shown] == ["z", "gpu-2", "gpu-10"]
    assert [(gpu.taken_by, gpu.healthy) for gpu in shown[2].gpus] == [("bert-v1", True), ("", False)]
    assert [gpu.taken_by for gpu in shown[1].gpus] == [OTHER, OTHER]
    assert (shown[2].cores_taken, shown[2].memory_taken_bytes) == (1.5, GIB)
    assert (shown[2].cores, shown[2].memory_bytes, shown[2].pool, shown[2].datacenter) == (8.0, 16 * GIB, "b", "dc1")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, NodeStatus.READY),
        ({"is_eligible": False}, NodeStatus.INELIGIBLE),
        ({"is_eligible": False, "is_draining": True}, NodeStatus.DRAINING),
        ({"status": "down"}, NodeStatus.DOWN),
        ({"status": "initializing"}, NodeStatus.DOWN),
        ({"status": "disconnected"}, NodeStatus.DISCONNECTED),
    ],
)
def test_a_node_has_one_status(changes: dict[str, Any], status: NodeStatus) -> None:
    assert find_status(replace(make_node("n"), **changes)) is status


def test_devices_of_other_kinds_say_what_they_are() -> None:
    group = DeviceGroup("nomad", "file", "mock", (DeviceInstance("a"),))
    (shown,) = derive_capacity(ClusterFacts((make_node("n", devices=(group,)),)), "models")
    assert shown.gpus[0].model == "file mock"
