"""`serai server` and `serai gateway`: one part each, in the foreground."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serai.domain.errors import Conflict, Invalid

from .parent import watch_parent

if TYPE_CHECKING:
    from serai.config import Configuration
    from serai.gateway.certificate import CertificateFiles

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--data", type=_FOLDER, help="Folder of the database, bundles and tokens.  [default: .serai]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8080]")
@click.option("--gateway-host", help="Address the gateway listens on.")
@click.option("--gateway-port", type=click.IntRange(0, 65535), help="Port the gateway listens on.  [default: 8000]")
@click.option("--gateway-url", help="Address under which callers reach the gateway.")
@click.option("--config", "file", type=_FILE, help="Configuration file.  [default: serai.toml]")
@click.option("--log-level", help="debug, info, warning or error.  [default: info]")
@click.option("--parent-fd", type=int, hidden=True)
def server(file: Path | None, parent_fd: int | None, **options: object) -> None:
    """Run the server alone.

    It answers the API and the web UI, and keeps models running."""
    from serai.app.server import run
    from serai.config import load_configuration

    from .logging_setup import start_logging

    configuration = load_configuration(file, os.environ, options)
    start_logging("server", configuration.log_level)
    stopped = threading.Event()
    if parent_fd is not None:
        watch_parent(parent_fd, stopped.set)
    run(configuration, stopped)


@click.command()
@click.option("--server", "server_url", help="Address of the server.  [default: http://127.0.0.1:8080]")
@click.option("--server-file", type=_FILE, help="File with the server's address, for one that moves.")
@click.option("--token-file", type=_FILE, help="File with the gateway's token.  [default: DATA/gateway.token]")
@click.option("--data", type=_FOLDER, help="Serai's data folder; the gateway keeps its own part in DATA/gateway.")
@click.option("--host", "gateway_host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", "gateway_port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8000]")
@click.option("--domain", help="Requests to <deployment>.<domain> are routed by host.  [default: localhost]")
@click.option("--config", "file", type=_FILE, help="Configuration file.  [default: serai.toml]")
@click.option("--log-level", help="debug, info, warning or error.  [default: info]")
@click.option("--parent-fd", type=int, hidden=True)
def gateway(
    server_url: str | None,
    server_file: Path | None,
    token_file: Path | None,
    file: Path | None,
    parent_fd: int | None,
    **options: object,
) -> None:
    """Run a gateway alone.

    It carries requests to models, whether the server is there or not."""
    from serai.config import load_configuration
    from serai.gateway.config import GatewayConfig
    from serai.gateway.main import run
    from serai.gateway.trust import TrustRule

    from .logging_setup import start_logging

    if server_url and server_file:
        raise Invalid("--server and --server-file exclude each other; give one", "server")
    configuration = load_configuration(file, os.environ, options)
    start_logging("gateway", configuration.log_level)
    if parent_fd is not None:
        watch_parent(parent_fd, lambda: os.kill(os.getpid(), signal.SIGTERM))
    config = GatewayConfig(
        server=server_file or server_url or configuration.server_url or f"http://127.0.0.1:{configuration.port}",
        token_file=token_file or configuration.data / "gateway.token",
        data=configuration.data / "gateway",
        host=configuration.gateway_host,
        port=configuration.gateway_port,
        domain=configuration.domain,
        engine=configuration.gateway_engine,
        tls=_find_certificate(configuration),
        tls_host=configuration.gateway_tls_host or configuration.gateway_host,
        tls_port=configuration.gateway_tls_port,
        keys=TrustRule(configuration.gateway_keys_last, configuration.gateway_keys_then),
        wrong_keys=configuration.gateway_wrong_keys,
        trace_share=configuration.trace_sample,
    )
    try:
        run(config)
    except OSError as error:
        place = f"{config.host}:{config.port}" + (f" and {config.tls_host}:{config.tls_port}" if config.tls else "")
        raise Conflict(f"the gateway cannot listen on {place}: {error.strerror}; choose another --port") from error


def _find_certificate(configuration: Configuration) -> CertificateFiles | None:
    from serai.gateway.certificate import CertificateFiles

    cert, key = configuration.gateway_tls_cert, configuration.gateway_tls_key
    if key and not cert:
        raise Invalid("gateway_tls_key is set and gateway_tls_cert is not; set both", "gateway_tls_key")
    return CertificateFiles(Path(cert), Path(key) if key else None) if cert else None
