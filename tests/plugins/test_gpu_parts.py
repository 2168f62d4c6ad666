"""The parts of the device plugin: messages, options, simulated GPUs, NVML's, shares, groups, its files."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from serai.domain.errors import Invalid, SeraiError
from serai_gpu import messages
from serai_gpu.config import GpuConfig, Mode, Model, make_config, make_schema, parse_models, read_config
from serai_gpu.groups import make_fingerprint, make_statistics
from serai_gpu.hclog import HclogFormatter
from serai_gpu.holders import Holders
from serai_gpu.install import install
from serai_gpu.inventory import Figures, Gpu, InventoryError, Quantity
from serai_gpu.main import main
from serai_gpu.nvml import NvmlInventory
from serai_gpu.sharing import SharedInventory
from serai_gpu.simulated import SimulatedInventory, find_illness, simulate
from serai_gpu.socket_folder import socket_folder, sweep

A100, T4 = Model("A100-40GB", 2, 40960), Model("T4", 1, 16384)


# messages


def test_every_message_survives_the_wire() -> None:
    for name in messages.message_names():
        made = getattr(messages, name)
        assert made.FromString(made().SerializeToString()) == made()


def test_the_wire_is_that_of_nomad() -> None:
    """By hand from the field numbers in Nomad's device.proto: group 1 {vendor 1, attributes 5 {key 1, value 2}}."""
    group = messages.DeviceGroup(vendor="v")
    group.attributes["m"].int_val = 0
    group.attributes["m"].unit = "MiB"
    attribute = b"\x0a\x01m" + b"\x12\x07" + b"\x10\x00" + b"\x2a\x03MiB"
    assert group.SerializeToString() == b"\x0a\x01v" + b"\x2a" + bytes([len(attribute)]) + attribute


def test_what_was_set_is_sent_even_if_it_is_nothing() -> None:
    for value in (messages.Attribute(int_val=0), messages.Attribute(bool_val=False), messages.Attribute(string_val="")):
        assert len(value.SerializeToString()) == 2


# options


def pack(**values: object) -> bytes:
    data: bytes = msgpack.packb(values)
    return data


def test_no_options_are_the_gpus_of_this_machine() -> None:
    config = read_config(b"")
    assert (config.mode, config.models, config.share, config.period_s) == (Mode.NVML, (), 1, 1.0)
    assert config.node


def test_options_as_nomad_sends_them() -> None:
    config = read_config(
        pack(mode="simulated", models=["A100-40GB:2,T4:1"], share=2, control="/c", node="n", period="500ms")
    )
    assert config == GpuConfig(Mode.SIMULATED, (A100, T4), 2, Path("/c"), "n", 0.5)
    assert read_config(pack(mode=None, models=None, share=1.0, control="", node="n", period=None)).share == 1


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("T4", (Model("T4", 1, 16384),)),
        ("A100-40GB:2, T4:1", (A100, T4)),
        ("NVIDIA A100-SXM4-80GB:8", (Model("NVIDIA A100-SXM4-80GB", 8, 81920),)),
        ("Mine:3:512MiB", (Model("Mine", 3, 512),)),
        ("", ()),
    ],
)
def test_models(text: str, models: tuple[Model, ...]) -> None:
    assert parse_models(text) == models


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "real"}, "'real' has to be one of nvml, simulated"),
        ({"mod": "nvml"}, "did you mean 'mode'"),
        ({"mode": "simulated", "models": ["Mine:1"]}, "the memory of 'Mine' is not known; write Mine:1:16GiB"),
        ({"mode": "simulated", "models": ["T4:0"]}, "from 1 to 256"),
        ({"mode": "simulated", "models": ["T4:1", "T4:2"]}, "'T4' is given twice"),
        ({"mode": "simulated", "models": ["a/b:1:1GiB"]}, "'a/b:1:1GiB' is no model"),
        ({"mode": "simulated", "models": ["Mine::8GiB"]}, "write NAME:COUNT or NAME:COUNT:MEMORY"),
        ({"mode": "simulated", "models": [":2"]}, "':2' is no model"),
        ({"models": ["T4:1"]}, 'is for mode = "simulated"'),
        ({"share": 0}, "from 1 to 64"),
        ({"share": 1.5}, "from 1 to 64"),
        ({"control": "here"}, "has to be an absolute path"),
        ({"mode": "simulated", "node": "a/b"}, "cannot be part of an id"),
        ({"period": "10ms"}, "too short"),
        ({"period": "soon"}, "is not a duration"),
    ],
)
def test_bad_options_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message.replace("(", r"\(")):
        make_config(values)


def test_what_is_not_msgpack_is_refused() -> None:
    with pytest.raises(Invalid, match="not msgpack"):
        read_config(b"\xc1")


def test_the_schema_offers_every_option_with_a_default() -> None:
    attributes = make_schema().object.attributes
    assert set(attributes) == {"mode", "models", "share", "control", "node", "period"}
    assert attributes["mode"].default.primary.attr.type == "string"
    assert attributes["mode"].default.default.literal.value == '"nvml"'


# simulated GPUs


def simulated(tmp_path: Path, **values: Any) -> SimulatedInventory:
    return SimulatedInventory(GpuConfig(Mode.SIMULATED, (A100, T4), control=tmp_path / "control", node="n1"))


def test_simulated_gpus_have_ids_models_and_memory(tmp_path: Path) -> None:
    gpus = simulated(tmp_path).gpus()
    assert [(gpu.id, gpu.model, gpu.memory_mb, gpu.is_healthy) for gpu in gpus] == [
        ("GPU-sim-n1-0", "A100-40GB", 40960, True),
        ("GPU-sim-n1-1", "A100-40GB", 40960, True),
        ("GPU-sim-n1-2", "T4", 16384, True),
    ]
    assert gpus[0].attributes == {"power": Quantity(400, "W"), "simulated": True}


def test_a_file_makes_a_gpu_ill_until_it_goes(tmp_path: Path) -> None:
    inventory = simulated(tmp_path)
    file = tmp_path / "control" / "GPU-sim-n1-1"
    file.write_text("Xid 79: fell off the bus\nmore\n")
    assert [gpu.description for gpu in inventory.gpus()] == ["", "Xid 79: fell off the bus", ""]
    file.write_text("")
    assert [gpu.is_healthy for gpu in inventory.gpus()] == [True, False, True]
    assert "control file" in inventory.gpus()[1].description
    file.unlink()
    assert all(gpu.is_healthy for gpu in inventory.gpus())
    file.mkdir()
    assert "cannot be read" in str(find_illness(tmp_path / "control", file.name))


def test_a_control_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("a file")
    with pytest.raises(SeraiError, match="cannot be made"):
        simulated(tmp_path)


def test_a_task_gets_ids_and_never_what_docker_takes_for_nvidia(tmp_path: Path) -> None:
    reservation = simulated(tmp_path).reserve(("GPU-sim-n1-2", "GPU-sim-n1-0"))
    ids = "GPU-sim-n1-2,GPU-sim-n1-0"
    assert reservation.env == {"SERAI_GPUS": ids, "CUDA_VISIBLE_DEVICES": ids}
    with pytest.raises(InventoryError, match="no GPU 'x' here; known are GPU-sim-n1-0"):
        simulated(tmp_path).reserve(("x",))


@pytest.mark.parametrize(
    ("is_held", "held_s", "utilization", "memory", "temperature"),
    [
        (False, float("inf"), (0, 0), (0, 0), (32, 36)),
        (True, 0.0, (0, 0), (0, 0), (32, 36)),
        (True, 2.0, (22, 48), (5500, 6300), (34, 42)),
        (True, 600.0, (45, 95), (11000, 12400), (68, 73)),
        (False, 5.0, (0, 0), (0, 0), (60, 67)),
    ],
)
def test_statistics_are_plausible(
    is_held: bool, held_s: float, utilization: tuple[int, int], memory: tuple[int, int], temperature: tuple[int, int]
) -> None:
    for now_s in range(0, 500, 7):
        figures = simulate(T4, 5, is_held, held_s, now_s)
        assert utilization[0] <= (figures.utilization_percent or 0) <= utilization[1]
        assert memory[0] <= (figures.memory_used_mb or 0) <= memory[1]
        assert temperature[0] <= (figures.temperature_c or 0) <= temperature[1]
        assert 7 <= (figures.power_w or 0) <= (figures.power_limit_w or 0) == 70


def test_statistics_move_and_differ_between_gpus() -> None:
    over_time = {simulate(A100, 1, True, 60, second).utilization_percent for second in range(60)}
    between = {simulate(A100, seed, True, 60, 0).utilization_percent for seed in range(10)}
    assert len(over_time) > 10
    assert len(between) > 5
    assert len({simulate(A100, 1, False, 60, second).power_w for second in range(60)}) > 5


def test_a_gpu_is_busy_while_a_process_has_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print(flush=True); input()"]
    env = os.environ | {"SERAI_GPUS": "GPU-sim-mine-1,GPU-sim-mine-2"}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        held = Holders().held()
        assert {"GPU-sim-mine-1", "GPU-sim-mine-2"} <= held
        process.communicate(b"\n")
    assert not {"GPU-sim-mine-1", "GPU-sim-mine-2"} & Holders().held()


# shares


def test_shares_are_devices_of_a_group_of_their_own(tmp_path: Path) -> None:
    gpus = SharedInventory(simulated(tmp_path), 4).gpus()
    assert [(gpu.id, gpu.model, gpu.memory_mb) for gpu in gpus[-4:]] == [
        (f"GPU-sim-n1-2/{number}", "T4 shared by 4", 4096) for number in range(4)
    ]
    assert gpus[0].attributes["shares"] == 4


def test_a_task_with_shares_sees_each_gpu_once_and_its_part_of_the_memory(tmp_path: Path) -> None:
    inventory = SharedInventory(simulated(tmp_path), 4)
    env = inventory.reserve(("GPU-sim-n1-2/0", "GPU-sim-n1-2/3", "GPU-sim-n1-0/1")).env
    assert env["CUDA_VISIBLE_DEVICES"] == "GPU-sim-n1-2,GPU-sim-n1-0"
    assert env["SERAI_GPU_MEMORY_MB"] == str(2 * 4096 + 10240)
    with pytest.raises(InventoryError, match="no GPU 'GPU-sim-n1-2/4'"):
        inventory.reserve(("GPU-sim-n1-2/4",))


def test_shares_of_an_ill_gpu_are_ill_and_show_its_figures(tmp_path: Path) -> None:
    inventory = SharedInventory(simulated(tmp_path), 2)
    (tmp_path / "control" / "GPU-sim-n1-2").touch()
    assert [gpu.is_healthy for gpu in inventory.gpus()] == [True] * 4 + [False] * 2
    figures = inventory.figures()
    assert figures["GPU-sim-n1-2/0"] == figures["GPU-sim-n1-2/1"]
    assert set(figures) == {gpu.id for gpu in inventory.gpus()}


# groups


def test_a_group_promises_the_least_memory_of_its_name() -> None:
    gpus = [Gpu("a", "RTX 3080", 12288, pci_bus_id="0:1"), Gpu("b", "RTX 3080", 10240, False, "hot"), Gpu("c", "T4")]
    first, second = make_fingerprint(gpus).device_group
    assert (first.vendor, first.device_type, first.device_name) == ("nvidia", "gpu", "RTX 3080")
    assert (first.attributes["memory"].int_val, first.attributes["memory"].unit) == (10240, "MiB")
    assert [(d.ID, d.healthy, d.health_description) for d in first.devices] == [("a", True, ""), ("b", False, "hot")]
    assert first.devices[0].hw_locality.pci_bus_id == "0:1"
    assert not second.attributes


def test_attributes_of_each_kind() -> None:
    attributes = {"power": Quantity(70, "W"), "simulated": True, "shares": 2, "driver_version": "570.1"}
    (group,) = make_fingerprint([Gpu("a", "T4", attributes=attributes)]).device_group
    assert {name: str(value).partition(":")[0] for name, value in group.attributes.items()} == {
        "power": "int_val",
        "simulated": "bool_val",
        "shares": "int_val",
        "driver_version": "string_val",
    }


def test_a_missing_figure_is_said_to_be_missing() -> None:
    (group,) = make_statistics([Gpu("a", "T4"), Gpu("b", "T4")], {"a": Figures(50, 10, 20)}, 12.5).groups
    assert set(group.instance_stats) == {"a"}
    stats = group.instance_stats["a"]
    assert (stats.timestamp.seconds, stats.timestamp.nanos) == (12, 500_000_000)
    assert stats.summary == stats.stats.attributes["Memory state"]
    assert (stats.summary.int_numerator_val.value, stats.summary.int_denominator_val.value) == (10, 20)
    assert stats.stats.attributes["GPU utilization"].int_numerator_val.value == 50
    assert stats.stats.attributes["Temperature"].string_val.value == "N/A"
    assert not stats.stats.attributes["Temperature"].HasField("int_numerator_val")


# NVML


class NvmlFault(Exception):
    pass


class Driver:
    """As much of NVIDIA's library as is asked, over GPUs that a test may break. Handles are places in `gpus`."""

    NVMLError = NvmlFault
    NVML_DEVICE_MIG_ENABLE, NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 1, 0

    def __init__(self, *gpus: str) -> None:
        self.gpus = list(gpus)
        self.lost: set[int] = set()
        self.is_gone = False
        self.instances: dict[int, int] = {}

    def load(self) -> Any:
        if self.is_gone:
            raise NvmlFault("Driver Not Loaded")
        return self

    def nvmlDeviceGetCount(self) -> int:
        if self.is_gone:
            raise NvmlFault("Uninitialized")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return index

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        if handle not in self.instances:
            raise NvmlFault("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: int) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: int, place: int) -> str:
        if place >= self.instances[handle]:
            raise NvmlFault("Not Found")
        return f"{handle}-{place}"

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return f"MIG-{handle}" if isinstance(handle, str) else f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: Any) -> str:
        return f"{self.gpus[0]} MIG 1g.5gb" if isinstance(handle, str) else self.gpus[handle]

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        if handle in self.lost:
            raise NvmlFault("GPU is lost")
        return SimpleNamespace(total=16 * 2**30, used=2**30)

    def nvmlDeviceGetPciInfo(self, handle: Any) -> Any:
        return SimpleNamespace(busId="00000000:01:00.0")

    def nvmlDeviceGetMinorNumber(self, handle: Any) -> int:
        return int(handle)

    def nvmlDeviceGetPowerManagementLimit(self, handle: Any) -> int:
        return 70_000

    def nvmlDeviceGetMaxClockInfo(self, handle: Any, clock: int) -> int:
        return 1590

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.1"

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        if isinstance(handle, str):
            raise NvmlFault("Not Supported")
        return SimpleNamespace(gpu=40)

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        return 35_500

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int:
        return 50

    def nvmlShutdown(self) -> None:
        pass


def test_nvml_tells_models_memory_and_figures() -> None:
    inventory = NvmlInventory(Driver("Tesla T4").load)
    (gpu,) = inventory.gpus()
    assert (gpu.id, gpu.model, gpu.memory_mb, gpu.pci_bus_id) == ("GPU-0", "Tesla T4", 16384, "00000000:01:00.0")
    attributes = {"power": Quantity(70, "W"), "cores_clock": Quantity(1590, "MHz"), "driver_version": "570.1"}
    assert gpu.attributes == attributes
    assert inventory.figures() == {"GPU-0": Figures(40, 1024, 16384, 35, 70, 50)}
    env = inventory.reserve(("GPU-0",)).env
    assert env == dict.fromkeys(("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "SERAI_GPUS"), "GPU-0")
    inventory.close()


def test_a_machine_without_a_driver_has_no_gpus_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    driver = Driver("Tesla T4")
    driver.is_gone = True
    inventory = NvmlInventory(driver.load)
    assert inventory.gpus() == inventory.gpus() == ()
    assert inventory.figures() == {}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    driver.is_gone = False
    assert len(inventory.gpus()) == 1, "a driver that comes later is found"


def test_a_lost_gpu_is_ill_and_the_others_are_well() -> None:
    driver = Driver("Tesla T4", "Tesla T4")
    inventory = NvmlInventory(driver.load)
    inventory.gpus()
    driver.lost = {1}
    assert [(gpu.id, gpu.is_healthy, gpu.description) for gpu in inventory.gpus()] == [
        ("GPU-0", True, ""),
        ("GPU-1", False, "NVML: GPU is lost"),
    ]
    driver.lost = set()
    assert all(gpu.is_healthy for gpu in inventory.gpus())


def test_a_driver_that_goes_is_an_error_and_no_empty_list() -> None:
    driver = Driver("Tesla T4")
    inventory = NvmlInventory(driver.load)
    inventory.gpus()
    driver.is_gone = True
    for _ in range(2):
        with pytest.raises(InventoryError):
            inventory.gpus()
    driver.is_gone = False
    assert len(inventory.gpus()) == 1


def test_a_partitioned_gpu_is_its_instances() -> None:
    driver = Driver("A100")
    driver.instances = {0: 2}
    inventory = NvmlInventory(driver.load)
    assert [(gpu.id, gpu.model) for gpu in inventory.gpus()] == [
        ("MIG-0-0", "A100 MIG 1g.5gb"),
        ("MIG-0-1", "A100 MIG 1g.5gb"),
    ]
    assert inventory.figures()["MIG-0-0"].utilization_percent is None


# files and words


def test_a_log_line_is_hclogs() -> None:
    record = logging.LogRecord("serai_gpu.x", logging.WARNING, "f", 1, "%s is hot", ("it",), None)
    values = json.loads(HclogFormatter().format(record))
    assert (values["@level"], values["@message"], values["@module"]) == ("warn", "it is hot", "serai-gpu")
    assert "T" in values["@timestamp"]


def test_socket_folders_of_the_dead_are_swept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead, mine, other = (tmp_path / f"serai-gpu-{name}" for name in (f"{process.pid}-abc", f"{os.getpid()}-abc", "x"))
    for folder in (dead, mine, other):
        folder.mkdir()
    link = tmp_path / f"serai-gpu-{process.pid}-link"
    link.symlink_to(other)
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, other, link])


def test_the_socket_folder_is_private_and_goes(tmp_path: Path) -> None:
    with socket_folder({"PLUGIN_UNIX_SOCKET_DIR": str(tmp_path)}) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_the_installed_file_is_executable_and_explains_itself_to_people(tmp_path: Path) -> None:
    path = install(tmp_path / "plug ins")
    assert install(tmp_path / "plug ins") == path
    assert path.name == "serai-gpu"
    done = subprocess.run([path], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "install DIR" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["install", str(tmp_path / "file" / "x")]) == 1
    assert "cannot be written" in capsys.readouterr().err
