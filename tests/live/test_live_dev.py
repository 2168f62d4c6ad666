"""`serai dev` as a person uses it: one command, an example on a GPU, a sick GPU, Ctrl-C; again; and killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serai_dev.folder import find_mounts
from serai_dev.leftovers import MARK
from tests.live.api import HarnessApi
from tests.live.leftovers import make_folder
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("nomad-dev"), pytest.mark.slow, pytest.mark.timeout(600)]


class Dev:
    """A running `serai dev` with its lines of stdout so far."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self.errors = root.with_name("stderr")
        ports = ("--port", "0", "--gateway-port", "0", "--nomad-port", "0")
        command = [sys.executable, "-m", "serai", "dev", "--dir", str(root), *ports, *options]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SERAI_", "NOMAD_"))}
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=root.parent
            )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.values: dict[str, str] = {}

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as out:
            self.lines.extend(iter(out.readline, ""))

    def ready(self) -> Dev:
        def find() -> str:
            if self.process.poll() is not None:
                raise EOFError(self.story())
            return next((line for line in list(self.lines) if line.startswith("ready ")), "")

        try:
            self.values = json.loads(eventually(find, 120).removeprefix("ready "))
        except AssertionError:
            raise AssertionError(self.story()) from None
        return self

    def story(self) -> str:
        """Return what it said, and the end of each log."""
        parts = ["".join(self.lines), self.errors.read_text()]
        parts += [f"{log.name}:\n{log.read_text()[-1500:]}" for log in self.root.glob("logs/*.log")]
        return "\n".join(parts)

    @property
    def nomad(self) -> HarnessApi:
        return HarnessApi(self.values["nomad"], Path(self.values["nomad_token_file"]).read_text().strip())

    def example(self) -> dict[str, Any]:
        """Return what the example answers through the gateway, {} while it does not."""
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.values['gateway']}/gpu-echo/", timeout=5) as a,
        ):
            return dict(json.load(a))
        return {}

    def serai(self, *arguments: str) -> Any:
        """Return what `serai ... --json` says, found by the folder alone."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SERAI_")}
        command = [sys.executable, "-m", "serai", *arguments, "--json"]
        environ["XDG_CONFIG_HOME"] = str(self.root.parent)
        done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(120)
        self._reader.join(20)
        return code


@pytest.fixture
def root(nomad: Path) -> Iterator[Path]:
    """A folder to be, on which nothing runs any more afterwards."""
    with make_folder("dev") as folder:
        yield folder / "cluster"


@pytest.fixture
def started(root: Path) -> Iterator[list[Dev]]:
    """Append what is started, so that it ends with the test."""
    running: list[Dev] = []
    yield running
    for each in running:
        each.end()
    eventually(lambda: not processes(root), 60)


def processes(root: Path) -> list[psutil.Process]:
    """Return what runs in the cluster's name: agents, plugins, Serai, tasks."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(root):
                found.append(process)
    return found


def gpus_of(node: dict[str, Any]) -> dict[str, bool]:
    groups = node["NodeResources"]["Devices"] or []
    return {instance["ID"]: instance["Healthy"] for group in groups for instance in group["Instances"]}


def nodes(api: HarnessApi) -> dict[str, dict[str, Any]]:
    return {row["Name"]: api.get(f"/v1/node/{row['ID']}") for row in api.nodes() if row["Status"] == "ready"}


def test_one_command_from_nothing_to_a_model_on_a_gpu_and_back(root: Path, started: list[Dev]) -> None:
    dev = Dev(root, "--gpus", "A100-40GB:1", "--gpus", "T4:1")
    started.append(dev)
    dev.ready()

    # The example answers, on a GPU of one of the nodes.
    answer = eventually(dev.example, 120, 0.2)
    (gpu,) = answer["gpus"]
    found = nodes(dev.nomad)
    holder = next(name for name, node in found.items() if gpu in gpus_of(node))
    assert set(found) == {"client-1", "client-2"}
    assert {node["NodePool"] for node in found.values()} == {"gpu"}
    assert (answer["environment"]["SERAI_GPUS"], gpu) == (gpu, f"GPU-sim-{holder}-0")

    # Clients find the server by the folder alone; tokens are for their owner's eyes.
    status = dev.serai("status", "gpu-echo")
    assert (status["state"], status["active"]) == ("running", 1)
    for name in ("management.token", "serai.token"):
        assert (root / name).stat().st_mode & 0o077 == 0
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{dev.values['nomad']}/v1/jobs?namespace=serai", timeout=5)
    assert any("/login?code=" in line for line in dev.lines)

    # A GPU falls ill on demand, and heals. A client tells its servers of changes after 5 to 10 s (`-dev`: 1 s).
    sick = f"GPU-sim-{holder}-0"
    (root / "gpus" / holder / sick).write_text("Xid 79: fell off the bus\n")
    eventually(lambda: gpus_of(nodes(dev.nomad)[holder])[sick] is False, 30, 0.2)
    (root / "gpus" / holder / sick).unlink()
    eventually(lambda: gpus_of(nodes(dev.nomad)[holder])[sick], 30, 0.2)

    # Nothing is left.
    assert len(processes(root)) >= 9, "leashes, three agents, two plugins, Serai, a task"
    assert dev.end() == 0, dev.errors.read_text()
    assert processes(root) == []
    assert find_mounts(root) == []

    # The next start goes on with the same model, and deploys no second example.
    again = Dev(root)
    started.append(again)
    again.ready()
    assert again.values["server"] == dev.values["server"]
    assert eventually(again.example, 120, 0.2)["environment"]["SERAI_VERSION"] == "1"

    # A killed client is started again.
    client = next(process for process in processes(root) if f"{root}/agents/client-2/node.hcl" in process.cmdline()[1:])
    for process in (client, *client.children()):
        process.kill()
    eventually(lambda: any("client-2 was started again" in line for line in again.lines), 20)

    # Killed itself, nothing of it goes on.
    again.end(signal.SIGKILL)
    eventually(lambda: not processes(root), 60, 0.2)

    # A wiped one begins anew.
    fresh = Dev(root, "--reset", "--no-example", "--clients", "1", "--gpus", "T4:3")
    started.append(fresh)
    fresh.ready()
    assert fresh.serai("ls") == []
    (node,) = nodes(fresh.nomad).values()
    assert len(gpus_of(node)) == 3
    second = Dev(root)
    assert second.end(signal.SIGCONT) == 1
    assert "runs on" in second.errors.read_text()


def test_what_stands_in_its_way_is_said(root: Path, started: list[Dev]) -> None:
    root.mkdir()
    (root / "thesis.txt").touch()
    refused = Dev(root)
    started.append(refused)
    assert refused.end(signal.SIGCONT) == 2
    assert "is not empty and no folder of `serai dev`" in refused.errors.read_text()
