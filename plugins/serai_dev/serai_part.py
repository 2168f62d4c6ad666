"""Serai itself in a development cluster: its settings, and `serai up` as a part whose output is read."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .access import NAMESPACE, Access
from .agents import POOL
from .folder import Folder
from .process import Part, Process

GRACE_S = 60.0  # longer than a gateway's drain time
READY = "ready "
_FOREIGN = ("SERAI_", "NOMAD_")


def serai_command(*arguments: str) -> tuple[str, ...]:
    """Return the words that run this very installation's `serai`."""
    return sys.executable, "-P", "-m", "serai", *arguments


def clean_environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without settings of another Serai or Nomad, which would win over the written ones."""
    return {name: value for name, value in env.items() if not name.startswith(_FOREIGN)}


def write_settings(folder: Folder, nomad: str, access: Access) -> None:
    """Write serai.toml: folders run by raw_exec, MHz instead of whole cores, as all clients share one machine."""
    values = {
        "address": nomad,
        "token_file": str(access.serai),
        "namespace": NAMESPACE,
        "pool": POOL,
        "bundle_driver": "raw_exec",
        "reserve_cores": False,
        "docker_gpu_runtime": False,
        "python": sys.executable,
        "environments": str(folder.root / "environments"),
        "shutdown_delay": "1s",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    text = "\n".join(
        [
            "# Written by `serai dev`, anew at each start.",
            'plugins = ["nomad", "apikey"]',
            'scheduler = "nomad"',
            f"data = {json.dumps(str(folder.data))}",
            "",
            "[plugin.nomad]",
            *lines,
        ]
    )
    folder.settings.write_text(text + "\n", encoding="utf-8")


def make_part(folder: Folder, port: int, gateway_port: int) -> Part:
    """Return `serai up` on the folder."""
    options = ("--config", str(folder.settings), "--data", str(folder.data), "--no-example")
    ports = ("--port", str(port), "--gateway-port", str(gateway_port))
    command = serai_command("up", *options, *ports)
    return Part("serai", command, signal.SIGTERM, GRACE_S, folder.logs / "serai.log", takes_stdout=True)


def make_deploy_part(folder: Path) -> Part:
    """Return the deployment of an example, which prints for itself."""
    return Part("example", serai_command("deploy", str(folder)), signal.SIGTERM, 5.0, None)


class Output:
    """What `serai up` prints: its line `ready` is kept, what comes later (a login address) is passed on."""

    def __init__(self, process: Process, say: Callable[[str], None]) -> None:
        self.values: dict[str, Any] = {}
        self._say = say
        self._stream = process.popen.stdout
        self._thread = threading.Thread(target=self._read, name="serai-output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the end of the output, which comes with that of the process."""
        self._thread.join(5)
        if self._stream:
            self._stream.close()

    def _read(self) -> None:
        for line in self._stream or ():
            if line.startswith(READY):
                self.values = json.loads(line.removeprefix(READY))
            elif self.values:
                self._say(line.rstrip("\n"))


def example_folder() -> Path | None:
    """Return the example that asks for a GPU, None where it is not beside this installation."""
    folder = Path(__file__).resolve().parents[2] / "examples" / "gpu-echo"
    return folder if (folder / "start.sh").exists() else None
