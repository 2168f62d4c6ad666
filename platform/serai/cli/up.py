"""`serai up`: server and gateway on this machine, until Ctrl-C."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .failure import Failure


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

    from .supervise import ChildEnded
    from .up_folder import example_folder, hold_folder
    from .up_session import UpSession
    from .up_signals import listen_for_signals

    configuration = load_configuration(file, os.environ, {**options, "host": host, "gateway_host": host})
    stop, hurry = listen_for_signals()
    with hold_folder(configuration.data):
        session = UpSession(configuration, file)
        try:
            was_up = session.run(stop, None if no_example else example_folder())
            if was_up and stop_replicas:
                session.stop_replicas()
        except ChildEnded as error:
            raise Failure(error, error.exit_code if error.exit_code > 0 else None) from error
        finally:
            session.end(hurry)
