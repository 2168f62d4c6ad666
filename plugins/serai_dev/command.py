"""`serai dev`: the command, what it checks before anything starts, and what Ctrl-C means to it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click

from serai.domain.errors import SeraiError

DEFAULT_GPUS = ("A100-40GB:2", "T4:2")
_PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--dir", "root", type=click.Path(path_type=Path, file_okay=False), default=".serai-dev", show_default=True,
    help="Folder of the cluster: agents, models, tokens, logs.",
)  # fmt: skip
@click.option("--clients", type=click.IntRange(1, 32), default=2, show_default=True, help="How many nodes run models.")
@click.option(
    "--gpus", multiple=True, metavar="MODEL:COUNT,...",
    help="Simulated GPUs of a client; given several times, clients take turns.  [default: A100-40GB:2 and T4:2]",
)  # fmt: skip
@click.option("--port", type=_PORT, help="Port of API and web UI, 0: a free one.  [default: 8080]")
@click.option("--gateway-port", type=_PORT, help="Port of the gateway, 0: a free one.  [default: 8000]")
@click.option("--nomad-port", type=_PORT, help="Port of Nomad's API and UI, 0: a free one.  [default: 4646]")
@click.option("--no-example", is_flag=True, help="Do not deploy examples/gpu-echo on the first start.")
@click.option("--reset", is_flag=True, help="Wipe the folder first: cluster, models and all.")
def dev(root: Path, reset: bool, gpus: tuple[str, ...], no_example: bool, **numbers: int | None) -> None:
    """Run a development cluster: real Nomad agents, simulated GPUs.

    Starts a Nomad server and clients from the `nomad` on PATH on this machine, Serai on top of them, and an example
    that asks for a GPU. When all answer, a line `ready {"server": ..., "gateway": ..., "token_file": ...,
    "nomad": ..., "nomad_token_file": ..., "folder": ...}` is printed on stdout.

    Ctrl-C ends everything, models too; the next start in the same folder goes on with the same models. A second
    Ctrl-C kills.
    """
    from .binary import find_nomad
    from .cluster import Signals
    from .folder import hold_folder, wipe
    from .leftovers import end_leftovers
    from .session import Session, Wishes

    install_plugin = check_gpus(gpus)
    nomad, version = find_nomad()
    signals = Signals(*listen_for_signals())
    with hold_folder(root) as folder:
        click.echo(f"Nomad {version} ({nomad}), folder {folder.root}")
        for line in limits_here():
            click.echo(line)
        if left := end_leftovers(folder.root):
            click.echo(f"{left} processes of an earlier run were ended")
        if reset:
            wipe(folder)
        folder.make()
        install_plugin(folder.plugins)
        wishes = Wishes(
            gpus=gpus or DEFAULT_GPUS,
            has_example=not no_example,
            clients=numbers["clients"] or 1,
            port=numbers["port"],
            gateway_port=numbers["gateway_port"],
            nomad_port=numbers["nomad_port"],
        )
        session = Session(folder, nomad, wishes, click.echo, signals)
        try:
            session.run()
        finally:
            session.end()


def check_gpus(gpus: tuple[str, ...]) -> Callable[[Path], Path]:
    """Return what installs the device plugin. Raise SeraiError where it is not whole, or for GPUs it cannot read."""
    try:
        from serai_gpu.config import parse_models
        from serai_gpu.install import install
    except ImportError as error:
        raise SeraiError(f"simulated GPUs need {error.name}; install Serai with its extra: serai[gpu]") from error
    for text in gpus:
        parse_models(text, "--gpus")
    return install


def limits_here() -> list[str]:
    """Return what does not work in a cluster of this user's."""
    if os.geteuid() == 0:
        return []
    return ["Not root: the driver exec is off, and memory limits are not enforced; folders run by raw_exec."]


def listen_for_signals() -> tuple[threading.Event, threading.Event]:
    """Return (stop, hurry): the first SIGINT, SIGTERM or SIGHUP sets the one, any further the other."""
    stop, hurry = threading.Event(), threading.Event()

    def take(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, take)
    return stop, hurry
