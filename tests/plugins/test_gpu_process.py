"""The device plugin as a process, spoken to as Nomad does: its line, its streams, and how it ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import msgpack
import psutil
import pytest

from serai_gpu import messages
from serai_gpu.install import install
from serai_gpu.serving import COOKIE, COOKIE_VARIABLE
from tests.waiting import eventually

BASE = "/hashicorp.nomad.plugins.base.proto.BasePlugin/"
DEVICE = "/hashicorp.nomad.plugins.device.DevicePlugin/"
EMPTY = messages.Empty()
# Starts the plugin, passes its line on, and then waits to be killed: as an agent would.
PARENT = """
import subprocess, sys
plugin = subprocess.Popen(sys.argv[1:], stdout=1)
print(plugin.pid, file=sys.stderr, flush=True)
plugin.wait()
"""


class Plugin:
    """A started plugin and a connection to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors = folder / "stderr"
        env = os.environ | {COOKIE_VARIABLE: COOKIE, "PLUGIN_PROTOCOL_VERSIONS": "2", "TMPDIR": str(folder)}
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [install(folder / "plugins")], stdout=subprocess.PIPE, stderr=errors, env=env, text=True, cwd=folder
            )
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        self.channel = grpc.insecure_channel(f"unix:{self.line.split('|')[3]}")

    def call(self, method: str, request: Any, answer: str) -> Any:
        return self._unary(method, answer)(request, timeout=10)

    def stream(self, method: str, request: Any, answer: str) -> Any:
        """Return the running call, which yields messages."""
        return self.channel.unary_stream(
            method, lambda message: message.SerializeToString(), getattr(messages, answer).FromString
        )(request)

    def configure(self, **values: object) -> None:
        request = messages.SetConfigRequest(msgpack_config=msgpack.packb(values), plugin_api_version="v0.1.0")
        self.call(BASE + "SetConfig", request, "Empty")

    def reserve(self, *ids: str) -> dict[str, str]:
        answer = self.call(DEVICE + "Reserve", messages.ReserveRequest(device_ids=ids), "ReserveResponse")
        assert answer.HasField("container_res"), "an agent crashes without"
        return dict(answer.container_res.envs)

    def close(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()

    def _unary(self, method: str, answer: str) -> Any:
        return self.channel.unary_unary(
            method, lambda message: message.SerializeToString(), getattr(messages, answer).FromString
        )


class Messages:
    """What a stream has said so far."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.all: list[Any] = []
        self.error: grpc.StatusCode | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for message in self.call:
                self.all.append(message)
        except grpc.RpcError as error:
            self.error = error.code()

    def last(self) -> dict[str, bool]:
        """Return the health of each device by the newest message."""
        groups = self.all[-1].device_group if self.all else ()
        return {device.ID: device.healthy for group in groups for device in group.devices}

    def end(self) -> None:
        self.call.cancel()
        self._thread.join(10)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: the path of a Unix socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        yield Path(folder)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Plugin]:
    made = Plugin(tmp_path)
    yield made
    made.close()


@pytest.fixture
def fingerprint(plugin: Plugin) -> Iterator[Messages]:
    stream = Messages(plugin.stream(DEVICE + "Fingerprint", EMPTY, "FingerprintResponse"))
    yield stream
    stream.end()


def test_its_line_and_what_it_says_of_itself(plugin: Plugin) -> None:
    core, protocol, network, socket, kind, rest = plugin.line.split("|")
    assert (core, protocol, network, kind, rest) == ("1", "2", "unix", "grpc", "\n")
    assert Path(socket).is_socket()
    assert Path(socket).parent.stat().st_mode & 0o077 == 0
    info = plugin.call(BASE + "PluginInfo", EMPTY, "PluginInfoResponse")
    assert (info.type, info.name, list(info.plugin_api_versions)) == (3, "serai-gpu", ["v0.1.0"])
    schema = plugin.call(BASE + "ConfigSchema", EMPTY, "ConfigSchemaResponse")
    assert "models" in schema.spec.object.attributes


def test_a_bad_option_is_told_to_the_agent(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        plugin.configure(mode="simulated", models=["Mine:1"])
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "the memory of 'Mine' is not known" in failed.value.details()


def test_without_gpus_there_is_a_first_message_and_the_stream_goes_on(plugin: Plugin, fingerprint: Messages) -> None:
    eventually(lambda: len(fingerprint.all) == 1)
    assert not fingerprint.all[0].device_group
    plugin.configure(mode="simulated", models=["T4:1"], node="n", period="100ms")
    eventually(lambda: fingerprint.last() == {"GPU-sim-n-0": True})


def test_a_life_with_simulated_gpus(plugin: Plugin, fingerprint: Messages, tmp_path: Path) -> None:
    control = tmp_path / "control"
    plugin.configure(
        mode="simulated", models=["A100-40GB:2", "T4:1"], node="n", control=str(control), share=1, period="100ms"
    )
    eventually(lambda: fingerprint.last() == dict.fromkeys((f"GPU-sim-n-{n}" for n in range(3)), True))

    said = len(fingerprint.all)
    (control / "GPU-sim-n-1").write_text("too hot")
    eventually(lambda: fingerprint.last()["GPU-sim-n-1"] is False)
    assert fingerprint.all[-1].device_group[0].devices[1].health_description == "too hot"
    (control / "GPU-sim-n-1").unlink()
    eventually(lambda: fingerprint.last()["GPU-sim-n-1"])
    assert len(fingerprint.all) == said + 2, "nothing is said while nothing changes"

    assert plugin.reserve("GPU-sim-n-2") == {"SERAI_GPUS": "GPU-sim-n-2", "CUDA_VISIBLE_DEVICES": "GPU-sim-n-2"}
    with pytest.raises(grpc.RpcError, match="there is no GPU 'x'"):
        plugin.reserve("x")
    assert fingerprint.error is None


def test_figures_come_at_the_interval_that_was_asked_for(plugin: Plugin, fingerprint: Messages) -> None:
    plugin.configure(mode="simulated", models=["T4:1"], node="n", period="100ms")
    eventually(fingerprint.last)
    request = messages.StatsRequest(collection_interval=messages.Duration(nanos=200_000_000))
    stats = Messages(plugin.stream(DEVICE + "Stats", request, "StatsResponse"))
    eventually(lambda: len(stats.all) >= 5)
    stats.end()
    (group,) = stats.all[-1].groups
    assert (group.vendor, group.type, group.name, set(group.instance_stats)) == ("nvidia", "gpu", "T4", {"GPU-sim-n-0"})
    at = [s.groups[0].instance_stats["GPU-sim-n-0"].timestamp for s in stats.all]
    seconds = [stamp.seconds + stamp.nanos / 1e9 for stamp in at]
    assert all(0.15 < after - before < 2 for before, after in itertools.pairwise(seconds))
    assert fingerprint.error is None


def test_nvml_without_a_driver_is_an_empty_list_and_a_warning(plugin: Plugin, fingerprint: Messages) -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has NVIDIA's driver")
    plugin.configure(mode="nvml", models=[], period="100ms")
    eventually(lambda: "NVML is not available" in plugin.errors.read_text())
    lines = [json.loads(line) for line in plugin.errors.read_text().splitlines()]
    assert [line["@level"] for line in lines if "NVML" in line["@message"]] == ["warn"]
    assert not fingerprint.all[-1].device_group
    assert fingerprint.error is None


def test_it_ends_when_it_is_told_to(plugin: Plugin, fingerprint: Messages) -> None:
    plugin.configure(mode="simulated", models=["T4:1"])
    eventually(fingerprint.last)
    stdio = Messages(plugin.stream("/plugin.GRPCStdio/StreamStdio", EMPTY, "StdioData"))
    plugin.call("/plugin.GRPCController/Shutdown", EMPTY, "Empty")
    assert plugin.process.wait(5) == 0
    stdio.end()
    assert stdio.all == []
    assert not Path(plugin.line.split("|")[3]).parent.exists()
    assert plugin.process.stdout
    assert plugin.process.stdout.read() == "", "nothing but its line may stand on stdout"


def test_ctrl_c_is_the_agents_business(plugin: Plugin) -> None:
    plugin.process.send_signal(signal.SIGINT)
    assert plugin.call(BASE + "PluginInfo", EMPTY, "PluginInfoResponse").name == "serai-gpu"
    plugin.process.send_signal(signal.SIGTERM)
    assert plugin.process.wait(5) == 0


def test_it_ends_with_a_killed_agent_and_the_next_one_sweeps(tmp_path: Path) -> None:
    env = os.environ | {COOKIE_VARIABLE: COOKIE, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PARENT, str(install(tmp_path / "plugins"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as agent:
        assert agent.stdout
        assert agent.stderr
        pid, line = int(agent.stderr.readline()), agent.stdout.readline()
        folder = Path(line.split("|")[3]).parent
        process = psutil.Process(pid)
        agent.kill()
        process.wait(5)
        assert not folder.exists()

    folder.mkdir()  # as a plugin that was killed itself leaves it
    plugin = Plugin(tmp_path)
    plugin.close()
    assert not folder.exists()


@pytest.mark.parametrize("env", [{}, {COOKIE_VARIABLE: "wrong"}])
def test_people_are_told_what_it_is(env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "serai_gpu"]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'plugin "serai-gpu"' in done.stderr
