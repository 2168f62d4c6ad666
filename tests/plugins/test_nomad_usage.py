"""What a replica uses, by driver, from a real agent's recorded answers, and from device plugins' figures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from serai.domain.observation import GpuUsage, Usage
from serai_nomad.facts import NodeFacts
from serai_nomad.record.usage import Limits, derive_limits, derive_usage, explain_unpublished, is_unpublished

RECORDED = json.loads((Path(__file__).parent / "nomad_recordings" / "24-stats.json").read_text())["drivers"]
SLOW = "publish_allocation_metrics=true, collection_interval 5s"
UNPUBLISHED = RECORDED["raw_exec, client without telemetry.publish_allocation_metrics"]["later"]
STAMP = 1795424661200608462
AT = datetime.fromtimestamp(STAMP / 1e9, UTC)


def make_stats(
    cpu: dict[str, Any], memory: dict[str, Any], devices: list[Any] | None = None, task: str = "server"
) -> dict[str, Any]:
    used = {"CpuStats": cpu, "MemoryStats": memory, "DeviceStats": devices}
    return {"ResourceUsage": used, "Tasks": {task: {"ResourceUsage": used, "Timestamp": STAMP}}, "Timestamp": STAMP}


# recording, cpu_user, cpu_system, memory_used
RECORDINGS = [
    (f"raw_exec ({SLOW})", 0.475744, 0.003998, 39866368),
    ("exec", 0.494099, 0.004001, 35004416),
    (f"docker ({SLOW})", 0.492543, None, 35495936),
]


@pytest.mark.parametrize(("name", "user", "system", "memory"), RECORDINGS)
def test_drivers_as_recorded(name: str, user: float, system: float | None, memory: int) -> None:
    usage = derive_usage("r", RECORDED[name]["later"], Limits(1.0, 64 << 20))
    assert usage is not None
    assert usage.cpu_user == pytest.approx(user, abs=1e-6)
    assert usage.cpu_system == (None if system is None else pytest.approx(system, abs=1e-6))
    assert (usage.memory_used_bytes, usage.memory_total_bytes, usage.cpu_cores) == (memory, 64 << 20, 1.0)
    assert usage.at.date() == datetime(2026, 11, 23, tzinfo=UTC).date()


def test_a_first_sample_knows_no_rate() -> None:
    stats = RECORDED["exec"]["first_call"]["body"]
    started_at = datetime.fromtimestamp(stats["Timestamp"] / 1e9, UTC) - timedelta(seconds=4)
    first, later = derive_usage("r", stats, started_at=started_at), derive_usage("r", stats)
    assert first is not None and (first.cpu_user, first.cpu_system) == (None, None)
    assert first.memory_used_bytes == 15343616
    assert later is not None and (later.cpu_user, later.cpu_system) == (0.0, 0.0), "of an idle model it is true"


def test_what_is_not_published_is_not_zero() -> None:
    assert derive_usage("r", UNPUBLISHED) is None
    assert is_unpublished(UNPUBLISHED, timedelta(minutes=1))
    assert not is_unpublished(UNPUBLISHED, timedelta(seconds=3)), "the first sample takes its time"
    assert not is_unpublished(RECORDED["exec"]["later"], timedelta(minutes=1))
    reason = explain_unpublished("n1")
    assert (reason.code, reason.text) == ("statistics-missing", "Node n1 does not publish what replicas use.")
    assert "publish_allocation_metrics = true" in reason.help


CPU = [
    ({"Measured": None, "Percent": 0.0, "UserMode": 0.0, "SystemMode": 0.0}, (None, None)),
    ({"Measured": ["Percent"], "Percent": 200.0, "UserMode": 7.0}, (2.0, None)),
    ({"Measured": ["User Mode", "System Mode"], "UserMode": 150.0, "SystemMode": 50.0}, (1.5, 0.5)),
    ({"Measured": ["Throttled Time"], "Percent": 3.0}, (None, None)),
    ({"Measured": ["Percent"], "Percent": -1.0}, (0.0, None)),
    ({}, (None, None)),
]


@pytest.mark.parametrize(("stats", "cpu"), CPU)
def test_cpu(stats: dict[str, Any], cpu: tuple[float | None, float | None]) -> None:
    usage = derive_usage("r", make_stats(stats, {}))
    assert usage is not None and (usage.cpu_user, usage.cpu_system) == cpu


MEMORY = [
    ({"Measured": None, "RSS": 0, "Usage": 0}, None),
    ({"Measured": ["RSS", "Swap"], "RSS": 5, "Usage": 0}, 5),
    ({"Measured": ["RSS", "Usage"], "RSS": 5, "Usage": 9}, 9),
    ({"Measured": ["Swap"], "Swap": 9}, None),
    ({}, None),
]


@pytest.mark.parametrize(("stats", "used"), MEMORY)
def test_memory(stats: dict[str, Any], used: int | None) -> None:
    usage = derive_usage("r", make_stats({}, stats))
    assert usage is not None and usage.memory_used_bytes == used


def test_what_installed_before_is_not_counted() -> None:
    stats = make_stats({"Measured": ["Percent"], "Percent": 10.0}, {"Measured": ["RSS"], "RSS": 1})
    other = make_stats({}, {"Measured": ["RSS"], "RSS": 99}, task="install")
    merged = {"Tasks": stats["Tasks"] | other["Tasks"], "ResourceUsage": other["ResourceUsage"], "Timestamp": STAMP}
    usage = derive_usage("r", merged)
    assert usage is not None and usage.memory_used_bytes == 1
    alone = derive_usage("r", other)
    assert alone is not None and alone.memory_used_bytes == 99, "while it installs, that is what it uses"


# devices


def make_devices(*attributes: dict[str, Any], stamp: str = "2026-11-23T09:04:21Z") -> list[dict[str, Any]]:
    stats = {f"g{n}": {"Stats": {"Attributes": found}, "Timestamp": stamp} for n, found in enumerate(attributes)}
    return [{"Vendor": "nvidia", "Type": "gpu", "Name": "H100", "InstanceStats": stats}]


def make_memory(used: int | None, total: int | None, unit: str = "MiB") -> dict[str, Any]:
    return {"IntNumeratorVal": used, "IntDenominatorVal": total, "Unit": unit}


def gpu(*figures: Any, **more: Any) -> GpuUsage:
    return GpuUsage("g0", "H100", *figures, **more)


GB = 1024**3
W, C = "Power usage", "Temperature"
DEVICES: list[tuple[dict[str, Any], GpuUsage]] = [
    ({"GPU utilization": {"IntNumeratorVal": 42}, "Memory state": make_memory(1024, 81920)}, gpu(42.0, GB, 80 * GB)),
    ({"GPU utilization": {"FloatNumeratorVal": 0.5}}, gpu(0.5)),
    ({"GPU utilization": {"IntNumeratorVal": 0}, "Memory state": make_memory(0, 1024)}, gpu(0.0, 0, GB)),
    ({"GPU utilization": {"StringVal": "N/A"}, "Memory state": {"StringVal": "N/A"}}, gpu()),
    ({"Memory state": make_memory(None, 1, "GiB")}, gpu(None, None, GB)),
    ({"Memory state": make_memory(3, 4, "furlongs")}, gpu()),
    ({"Memory utilization": {"IntNumeratorVal": 9}}, gpu()),
    (
        {W: {"IntNumeratorVal": 305, "IntDenominatorVal": 700, "Unit": "W"}, C: {"IntNumeratorVal": 61, "Unit": "C"}},
        gpu(temperature_c=61.0, power_w=305.0),
    ),
    (
        {W: {"IntNumeratorVal": 70500, "Unit": "mW"}, C: {"FloatNumeratorVal": 0.0, "Unit": "C"}},
        gpu(temperature_c=0.0, power_w=70.5),
    ),
    ({W: {"StringVal": "N/A", "Unit": "W"}, C: {"StringVal": "N/A", "Unit": "C"}}, gpu()),
    ({C: {"IntNumeratorVal": 140, "Unit": "F"}}, gpu()),
    ({}, gpu()),
]


@pytest.mark.parametrize(("attributes", "figures"), DEVICES)
def test_devices(attributes: dict[str, Any], figures: GpuUsage) -> None:
    usage = derive_usage("r", make_stats({}, {}, make_devices(attributes)))
    assert usage is not None and usage.gpus == (figures,)


def test_old_figures_of_a_hung_plugin_are_not_shown() -> None:
    devices = make_devices({"GPU utilization": {"IntNumeratorVal": 42}}, stamp="2026-11-23T09:02:00.123456789Z")
    usage = derive_usage("r", make_stats({}, {}, devices))
    assert usage is not None and usage.gpus == (GpuUsage("g0", "H100"),)


def test_devices_come_in_order_and_once() -> None:
    devices = make_devices({}, {}) + make_devices({})
    usage = derive_usage("r", make_stats({}, {}, devices))
    assert usage is not None and [gpu.id for gpu in usage.gpus] == ["g0", "g1"]


def test_a_recorded_device_without_figures_of_gpus() -> None:
    usage = derive_usage("r", RECORDED["raw_exec"]["later"])
    assert usage is not None and usage.gpus == (GpuUsage("gpu1", "mock"),)


# limits

NODE = NodeFacts("n", "n", "default", "dc1", "", "ready", True, False, mhz=10_000, cores=4, memory_mb=1, disk_mb=1)
LIMITS: list[tuple[dict[str, Any], NodeFacts | None, Limits]] = [
    ({"Cpu": {"CpuShares": 5000}, "Memory": {"MemoryMB": 64}}, NODE, Limits(2.0, 64 << 20)),
    ({"Cpu": {"CpuShares": 5000}, "Memory": {"MemoryMB": 64, "MemoryMaxMB": 128}}, None, Limits(None, 128 << 20)),
    ({"Cpu": {"CpuShares": 5000, "ReservedCores": [1, 3, 5]}, "Memory": {}}, NODE, Limits(3.0, None)),
    ({"Cpu": {}, "Memory": {"MemoryMB": 64, "MemoryMaxMB": -1}}, NODE, Limits(None, None)),
    ({}, NODE, Limits()),
]


def test_the_disk_that_was_promised_and_restarts_are_told() -> None:
    limits = derive_limits({"Tasks": {}, "Shared": {"DiskMB": 300}})
    assert limits == Limits(disk_bytes=300 << 20)
    usage = derive_usage("r", make_stats({}, {}), limits, restarts=2)
    assert usage == Usage("r", AT, disk_total_bytes=300 << 20, restarts=2)


@pytest.mark.parametrize(("resources", "node", "limits"), LIMITS)
def test_limits(resources: dict[str, Any], node: NodeFacts | None, limits: Limits) -> None:
    assert derive_limits({"Tasks": {"server": resources}}, node) == limits


def test_samples_are_told_apart_by_their_time() -> None:
    usage = derive_usage("r", make_stats({}, {}))
    assert usage == Usage("r", AT)
