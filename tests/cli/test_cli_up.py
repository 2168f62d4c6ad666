"""`serai up` as a process: ready line, restarts, ends, and what stands in its way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serai.cli.child import Child, Part
from serai.cli.parent import watch_parent
from serai.cli.up_folder import example_folder
from serai.domain.quantity import format_duration
from tests.cli.conftest import Serai
from tests.system.installation import MODEL, make_model
from tests.waiting import eventually

pytestmark = pytest.mark.slow


class Up:
    """A `serai up` with its lines of stdout so far."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.errors = folder / "stderr"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SERAI_")}
        command = [sys.executable, "-m", "serai", "up", "--port", "0", "--gateway-port", "0", *options]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as out:
            self.lines.extend(iter(out.readline, ""))

    def ready(self) -> dict[str, str]:
        """Return the addresses, once it says that it is ready."""

        def find() -> str:
            assert self.process.poll() is None, self.errors.read_text()
            return next((line for line in list(self.lines) if line.startswith("ready ")), "")

        values: dict[str, str] = json.loads(eventually(find, 60).removeprefix("ready "))
        return values

    def children(self) -> dict[str, psutil.Process]:
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                found[child.cmdline()[4]] = child
        return found

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(20)
        return code


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path, "--no-example")
    yield made
    made.end()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SERAI_")}
    environ["XDG_CONFIG_HOME"] = str(folder / "config")
    command = [sys.executable, "-m", "serai", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_a_life_and_the_next(tmp_path: Path, up: Up, nowhere: Serai) -> None:
    _live(up, up.ready(), nowhere)
    # What the next life stops waits for the gateway of this one, which might still carry requests, so long.
    nowhere("deploy", make_model(tmp_path / "model", "name: model\ndrain_timeout: 1s\n", MODEL))
    address = nowhere.json("status", "model:1")["replicas"][0]["address"]
    children = list(up.children().values())
    assert up.end() == 0
    assert psutil.wait_procs(children, 1)[1] == []
    assert answers(f"http://{address}/"), "the model goes on"
    _stop_models(Up(tmp_path, "--no-example", "--stop-replicas"), address, nowhere)


def _live(up: Up, values: dict[str, str], nowhere: Serai) -> None:
    assert answers(f"{values['server']}/healthz")
    assert answers(f"{values['gateway']}/-/healthz")
    assert Path(values["token_file"]).stat().st_mode & 0o077 == 0

    # Clients in the same folder find it by themselves; a second one on the same folder is refused.
    assert "admin" in nowhere("whoami").stdout
    eventually(lambda: any("/login?code=" in line for line in up.lines), 30)
    second = run(up.folder, "up", "--port", "0", "--gateway-port", "0")
    assert second.returncode == 1
    assert f"runs on .serai already (process {up.process.pid})" in second.stderr

    # A port in use is named, with its holder and the option.
    port = values["server"].rpartition(":")[2]
    taken = run(up.folder, "up", "--data", "other", "--port", port)
    assert taken.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in taken.stderr
    assert "choose another with --port N" in taken.stderr

    # What dies is started again, on the same port.
    for name, url in (("server", f"{values['server']}/healthz"), ("gateway", f"{values['gateway']}/-/healthz")):
        child = up.children()[name]
        child.kill()
        child.wait(10)
        eventually(lambda name=name, old=child.pid: up.children().get(name) and up.children()[name].pid != old, 20)
        eventually(lambda url=url: answers(url), 30)
    assert "the server ended (signal 9); starting it again in 0.5 s" in up.errors.read_text()


def _stop_models(up: Up, address: str, nowhere: Serai) -> None:
    try:
        up.ready()
        assert "Running" in nowhere("status", "model").stdout, "the model is found again"
        assert answers(f"http://{address}/")
    finally:
        code = up.end()
    assert code == 0
    assert "model is stopped\n" in up.lines
    assert not answers(f"http://{address}/")


def test_children_end_with_a_killed_parent(up: Up) -> None:
    up.ready()
    children = list(up.children().values())
    assert len(children) >= 2
    up.end(signal.SIGKILL)
    eventually(lambda: not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children), 25)


def test_a_part_that_cannot_start_ends_it(tmp_path: Path) -> None:
    (tmp_path / "serai.toml").write_text('plugins = ["local", "nowhere"]\n')
    failed = run(tmp_path, "up", "--port", "0", "--gateway-port", "0")
    assert failed.returncode == 2
    assert "nowhere" in failed.stderr
    assert "the server ended before it was ready (exit code 2)" in failed.stderr


def test_bad_settings_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "serai.toml").write_text("prot = 80\n")
    failed = run(tmp_path, "up")
    assert failed.returncode == 2
    assert "did you mean 'port'?" in failed.stderr


def test_a_bound_port_is_found_without_a_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        failed = run(tmp_path, "up", "--port", "0", "--gateway-port", str(port))
    assert failed.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in failed.stderr
    assert f"(process {os.getpid()}) has it; choose another with --gateway-port N" in failed.stderr


def test_the_example_is_in_the_checkout() -> None:
    folder = example_folder()
    assert folder
    assert (folder / "serai.yaml").read_text().startswith("name: digits")


def test_pauses_grow_while_a_child_keeps_dying() -> None:
    child = Child(Part("server", (), ""), -1)
    child._started_s = float("inf")
    pauses = [format_duration(child.pause_s()) for _ in range(7)]
    assert pauses == ["0.5s", "1s", "2s", "4s", "8s", "10s", "10s"]
    child._started_s = 0.0
    assert child.pause_s() == 0.5


def test_a_closed_pipe_is_noticed() -> None:
    read, write = os.pipe()
    ended = threading.Event()
    watch_parent(read, ended.set, grace_s=3600)
    assert not ended.wait(0.05)
    os.close(write)
    assert ended.wait(10)
