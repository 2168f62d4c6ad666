"""`serai up`: server and gateway on this machine, until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serai.domain.errors import SeraiError

from .child import Part, serai_command
from .failure import Failure
from .ports import claim_port
from .supervise import ChildEnded, Supervisor
from .up_folder import example_folder, hold_folder, write_addresses

if TYPE_CHECKING:
    from serai.config import Configuration

EXAMPLE_MARK = "example"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder.  [default: .serai]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of API and web UI, 0: a free one.  [default: 8080]")
@click.option(
    "--gateway-port", type=click.IntRange(0, 65535), help="Port of the gateway, 0: a free one.  [default: 8000]"
)
@click.option("--host", help="Address both listen on.  [default: 127.0.0.1]")
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file.")
@click.option("--log-level", help="debug, info, warning or error.  [default: info]")
@click.option("--no-example", is_flag=True, help="Do not deploy examples/digits on the first start.")
@click.option("--stop-replicas", is_flag=True, help="On Ctrl-C stop all models, too; without it they go on running.")
def up(file: Path | None, no_example: bool, stop_replicas: bool, host: str | None, **options: object) -> None:
    """Run Serai on this machine: server and gateway.

    When both answer, a line `ready {"server": ..., "gateway": ..., "token_file": ...}` is printed on stdout.
    Ctrl-C stops both; models go on running and are found again by the next `serai up`.
    """
    from serai.config import load_configuration

    configuration = load_configuration(file, os.environ, {**options, "host": host, "gateway_host": host})
    stop, hurry = threading.Event(), threading.Event()
    _listen_for_signals(stop, hurry)
    with hold_folder(configuration.data):
        session = _Session(configuration, file)
        try:
            was_up = session.run(stop, None if no_example else example_folder())
            if was_up and stop_replicas:
                session.stop_replicas()
        except ChildEnded as error:
            raise Failure(error, error.exit_code if error.exit_code > 0 else None) from error
        finally:
            session.end(hurry)


class _Session:
    """One run of `serai up`."""

    def __init__(self, configuration: Configuration, file: Path | None) -> None:
        self._data = configuration.data
        port = claim_port(configuration.host, configuration.port, "--port")
        gateway_port = claim_port(configuration.gateway_host, configuration.gateway_port, "--gateway-port")
        self._server = f"http://{_reachable(configuration.host)}:{port}"
        self._gateway = f"http://{_reachable(configuration.gateway_host)}:{gateway_port}"
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


def _reachable(host: str) -> str:
    """Return under which name a listener on `host` is reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


def _listen_for_signals(stop: threading.Event, hurry: threading.Event) -> None:
    """Let the first SIGINT or SIGTERM set `stop`, and a second one `hurry`."""

    def take(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, take)
