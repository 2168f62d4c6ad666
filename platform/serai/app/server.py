"""Run the server process: bind, compose, serve until told to stop. Replicas and gateways go on without it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from serai.config import Configuration, make_url
from serai.domain.errors import Conflict, SeraiError
from serai.plugin.identity import Permission
from serai.store.database import Database
from serai.store.tokens import create_token
from serai.web.app import make_app
from serai.web.blocking import Limits
from serai.web.serve import make_server

from .allocator import share_arenas
from .compose import compose, utc_now
from .files import write_private

log = logging.getLogger(__name__)

ADMIN_TOKEN, GATEWAY_TOKEN = "admin.token", "gateway.token"
_TURN_S = 0.001
"""How long a thread computes before one that has to answer has its turn; by itself Python lets it wait five times as
long, at every step of an answer."""
EVERYTHING = frozenset({Permission.READ, Permission.WRITE, Permission.ADMIN})


def run(configuration: Configuration, stopped: threading.Event | None = None) -> None:
    """Serve until SIGTERM, SIGINT or `stopped`. Raise SeraiError if the server cannot start."""
    stop = stopped or threading.Event()
    sys.setswitchinterval(_TURN_S)
    share_arenas()
    listener = bind(configuration.host, configuration.port)
    host, port = listener.getsockname()[:2]
    server_url = configuration.server_url or make_url(host, port)
    gateway_url = configuration.gateway_url or make_url(configuration.gateway_host, configuration.gateway_port)
    composition = compose(configuration, server_url, gateway_url)
    try:
        _lead(composition.core.db)
        make_tokens(composition.core.db, composition.core.data_dir)
        limits = Limits.of_threads(configuration.threads, configuration.max_bundle)
        server = make_server(make_app(composition.core, limits), listener, configuration.threads)
        composition.start()
        _stop_on_signals(stop)
        threading.Thread(target=_close_when(stop, server.close), name="stop", daemon=True).start()
        log.info("serving at %s", server_url)
        server.run()
    finally:
        stop.set()
        composition.close()
        listener.close()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raise Conflict where the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        message = f"the server cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; choose another --port"
        raise Conflict(message, "port-in-use") from error
    return listener


def make_tokens(db: Database, data_dir: Path) -> None:
    """Make the administrator's and the gateway's token at the first start; the files are their owner's alone."""
    for file, login, permissions in (
        (ADMIN_TOKEN, "admin", EVERYTHING),
        (GATEWAY_TOKEN, "gateway", frozenset({Permission.GATEWAY})),
    ):
        if not (data_dir / file).exists():
            _, plaintext = create_token(db, file.removesuffix(".token"), login, permissions, utc_now())
            write_private(data_dir / file, plaintext + "\n")


def _lead(db: Database) -> None:
    if not db.try_lead():
        raise SeraiError(
            f"another server uses the database {db.name}; stop it first, or choose another --data", "locked"
        )


def _stop_on_signals(stop: threading.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())


def _close_when(stop: threading.Event, close: Callable[[], None]) -> Callable[[], None]:
    def wait_and_close() -> None:
        stop.wait()
        close()

    return wait_and_close
