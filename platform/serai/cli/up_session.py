"""One run of `serai up`: its parts, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import click

from serai.config import Configuration, make_url
from serai.domain.errors import SeraiError

from .child import Part, serai_command
from .ports import claim_port
from .supervise import Supervisor
from .up_folder import write_addresses

EXAMPLE_MARK = "example"


class UpSession:
    """Server and gateway of one data folder, which the caller holds. Conflict where a port cannot be had."""

    def __init__(self, configuration: Configuration, file: Path | None) -> None:
        self._data = configuration.data
        port = claim_port(configuration.host, configuration.port, "--port")
        gateway_port = _claim_gateway_port(configuration)
        self._server = make_url(configuration.host, port)
        self._gateway = make_url(configuration.gateway_host, gateway_port)
        self._helpers: list[subprocess.Popen[bytes]] = []
        common = ["--data", str(configuration.data), "--log-level", configuration.log_level]
        common += ["--config", str(file)] if file else []
        server = ["server", *common, "--host", configuration.host, "--port", str(port)]
        server += ["--gateway-host", configuration.gateway_host, "--gateway-port", str(gateway_port)]
        gateway = ["gateway", *common, "--host", configuration.gateway_host, "--port", str(gateway_port)]
        gateway += ["--server", self._server]
        parts = [
            Part("server", tuple(server), f"{self._server}/healthz"),
            Part("gateway", tuple(gateway), f"{self._gateway}/-/healthz"),
        ]
        self._supervisor = Supervisor(parts, lambda text: click.echo(f"serai up: {text}", err=True))

    def run(self, stop: threading.Event, example: Path | None) -> bool:
        """Start, announce, deploy the example on the first start, and keep both running until `stop`.

        Return False if `stop` came before both were there.
        """
        click.echo(f"Starting server and gateway on {self._data} ...")
        self._supervisor.start()
        if not self._supervisor.wait_healthy(stop):
            return False
        values = write_addresses(self._data, self._server, self._gateway)
        self._announce(values)
        self._help("login", "--browser", "--data", str(self._data))
        mark = self._data / EXAMPLE_MARK
        if example and not mark.exists():
            mark.touch()
            self._help("deploy", str(example))
        self._supervisor.tend(stop)
        return True

    def stop_replicas(self) -> None:
        from .stopping import stop_everything

        stop_everything(self._server, self._read_token(), click.echo)

    def end(self, hurry: threading.Event) -> None:
        for helper in self._helpers:
            helper.terminate()
        self._supervisor.end(hurry=hurry)
        for helper in self._helpers:
            helper.wait()

    def _announce(self, values: Mapping[str, str]) -> None:
        click.echo(f"Serai is up.\n  web UI   {self._server}/\n  gateway  {self._gateway}/<deployment>/")
        click.echo(f"  token    {values['token_file']}\n  Ctrl-C stops the server and the gateway.")
        click.echo(f"ready {json.dumps(values)}")

    def _help(self, *arguments: str) -> None:
        """Run another command of `serai` beside this process, which so stays small; it prints for itself."""
        environ = os.environ | {"SERAI_URL": self._server, "SERAI_TOKEN": self._read_token()}
        command = [*serai_command(), *arguments]
        helper = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environ, process_group=0)
        threading.Thread(target=helper.wait, name=arguments[0], daemon=True).start()  # no zombie stays behind
        self._helpers.append(helper)

    def _read_token(self) -> str:
        try:
            return (self._data / "admin.token").read_text().strip()
        except OSError as error:
            raise SeraiError(f"{self._data / 'admin.token'} cannot be read: {error.strerror}") from error


def _claim_gateway_port(configuration: Configuration) -> int:
    """Return the gateway's port; a HAProxy that lost its gateway may serve there, and is taken over."""
    from serai.gateway.haproxy.supervision import find_leftover

    wanted = configuration.gateway_port
    if wanted and find_leftover(configuration.data / "gateway" / "haproxy") == wanted:
        return wanted
    return claim_port(configuration.gateway_host, wanted, "--gateway-port")
