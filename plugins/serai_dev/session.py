"""One run of `serai dev`: agents, Serai, an example; then waiting; then the end of all in their turn."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import serai_part
from .access import Access
from .calls import retry
from .cluster import Cluster, Signals, Stopped
from .folder import Folder
from .ports import Wish, keep_port, keep_server_ports
from .process import Process

LOOK_EVERY_S = 0.5
EXAMPLE_MARK = "example.deployed"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for. Ports are None where nothing was, 0 for free ones; clients take the `gpus` in turn."""

    clients: int
    gpus: tuple[str, ...]
    port: int | None
    gateway_port: int | None
    nomad_port: int | None
    has_example: bool


class Session:
    """A development cluster in a folder that the caller holds. `say` takes lines for people."""

    def __init__(
        self, folder: Folder, nomad: Path, wishes: Wishes, say: Callable[[str], None], signals: Signals
    ) -> None:
        self._folder, self._wishes, self._say, self._signals = folder, wishes, say, signals
        self._cluster = Cluster(folder, nomad, say, signals)
        self._serai: Process | None = None
        self._output: serai_part.Output | None = None
        self._example: Process | None = None

    def run(self) -> None:
        """Start everything in its turn, tell where it is, and keep it running until Ctrl-C."""
        with suppress(Stopped):
            serai = self._start()
            while True:
                self._signals.stop.wait(LOOK_EVERY_S)
                self._cluster.check(serai)
                self._cluster.tend()

    def end(self) -> None:
        """End Serai, then the clients with their tasks, then the server; nothing stays."""
        if self._cluster.has_started:
            self._say("\nEnding Serai, then models, then agents ...")
        self._cluster.end([process for process in (self._example, self._serai) if process])
        if self._output:
            self._output.close()
        self._cluster.end_agents()
        self._cluster.close()

    def _start(self) -> Process:
        begun_s = time.monotonic()
        state = self._folder.load_state()
        port = keep_port(state, "port", Wish("--port", 8080, self._wishes.port))
        gateway_port = keep_port(state, "gateway_port", Wish("--gateway-port", 8000, self._wishes.gateway_port))
        server = keep_server_ports(state, self._wishes.nomad_port)
        self._folder.save_state(state)
        self._say("Starting a Nomad server ...")
        access = self._cluster.start_server(server)
        nomad = self._cluster.manager.address
        self._say(f"Starting {self._wishes.clients} clients with simulated GPUs ...")
        self._cluster.start_clients(server, self._wishes.gpus, self._wishes.clients)
        self._say("Starting Serai ...")
        serai_part.write_settings(self._folder, nomad, access)
        serai, values = self._start_serai(port, gateway_port)
        self._cluster.open_clients()
        self._write_env(nomad, access, values)
        self._announce(nomad, access, values, time.monotonic() - begun_s)
        self._deploy_example(values)
        return serai

    def _start_serai(self, port: int, gateway_port: int) -> tuple[Process, dict[str, Any]]:
        part = serai_part.make_part(self._folder, port, gateway_port)
        process = self._serai = self._cluster.start(part)
        output = self._output = serai_part.Output(process, self._say)
        values = retry("the start of Serai", lambda: output.values, lambda: self._cluster.check(process), 90.0)
        return process, values

    def _write_env(self, nomad: str, access: Access, values: dict[str, Any]) -> None:
        """Write a file for `.`, which holds no secret itself."""
        names = {
            "SERAI_URL": values["server"],
            "NOMAD_ADDR": nomad,
            "NOMAD_NAMESPACE": "serai",
        }
        lines = [f"export {name}={shlex.quote(value)}" for name, value in names.items()]
        lines += [
            f'export {name}="$(cat {shlex.quote(str(file))})"'
            for name, file in (("SERAI_TOKEN", values["token_file"]), ("NOMAD_TOKEN", access.management))
        ]
        (self._folder.root / "env").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _announce(self, nomad: str, access: Access, values: dict[str, Any], took_s: float) -> None:
        root = self._folder.root
        self._say(f"The cluster is up after {took_s:.0f} s.")
        self._say(f"  web UI    {values['server']}/\n  gateway   {values['gateway']}/<deployment>/")
        self._say(f"  Nomad UI  {nomad}/ui/   (token in {access.management})")
        self._say(f"  GPUs      {root / 'gpus'}/<client>: a file with a GPU's id as name makes that GPU unhealthy")
        self._say(f"  elsewhere `. {shlex.quote(str(root / 'env'))}`, then `serai ls` or `nomad node status`")
        self._say("  Ctrl-C ends all of it; the next `serai dev` here goes on with the same models.")
        more = {"nomad": nomad, "nomad_token_file": str(access.management), "folder": str(root)}
        self._say(f"ready {json.dumps(values | more)}")

    def _deploy_example(self, values: dict[str, Any]) -> None:
        example, mark = serai_part.example_folder(), self._folder.root / EXAMPLE_MARK
        if self._wishes.has_example and example and not mark.exists():
            mark.touch()
            token = Path(values["token_file"]).read_text(encoding="utf-8").strip()
            part = serai_part.make_deploy_part(example)
            self._example = self._cluster.start(part, SERAI_URL=values["server"], SERAI_TOKEN=token)
