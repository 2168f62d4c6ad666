"""A small HTTP server on loopback in the place of a Nomad agent: it says what a test tells it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from serai_nomad.agent.api import NomadApi
from serai_nomad.settings import NomadSettings


@dataclass(frozen=True, slots=True)
class Heard:
    """A request: `path` as it came, without its query."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. `stream` yields pieces that are sent at once; the connection is closed behind them."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    stream: Callable[[], Iterator[bytes]] | None = None
    cut: bool = False


Script = Callable[[Heard], Said]


class StandIn:
    """`script` makes the answers; `heard` are the requests so far, `most_at_once` how many were in work together."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.heard: list[Heard] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                stand_in.answer(self)

            do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names are http.server's

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *args: object) -> None:
                """Clients that go away, and handshakes that fail, are part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        heard = Heard(
            handler.command or "",
            parts.path,
            parse_qs(parts.query, keep_blank_values=True),
            dict(handler.headers.items()),
            body,
        )
        with self._lock:
            self.heard.append(heard)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._send(handler, self.script(heard))
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, handler: BaseHTTPRequestHandler, said: Said) -> None:
        if said.cut:
            handler.close_connection = True
            return
        handler.send_response(said.status)
        for name, value in said.headers.items():
            handler.send_header(name, value)
        if said.stream is not None:
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.flush()
            for piece in said.stream():
                handler.wfile.write(piece)
            handler.close_connection = True
            return
        is_raw = isinstance(said.body, bytes | str)
        body = (
            said.body if isinstance(said.body, bytes) else str(said.body if is_raw else json.dumps(said.body)).encode()
        )
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def talking(*agents: StandIn, **settings: Any) -> Iterator[NomadApi]:
    """Open an API to these agents, in the order given; close it before they end."""
    api = NomadApi(NomadSettings(addresses=tuple(agent.address for agent in agents), **settings))
    try:
        yield api
    finally:
        api.close()
