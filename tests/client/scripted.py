"""A real HTTP server whose answers a test writes down, one after the other."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """An answer. `cut` ends the connection after the body without saying that it is whole."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Answer = Reply | Callable[[Seen], Reply]


def reply_json(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | named)


def reply_problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> Reply:
    body = json.dumps({"type": "about:blank", "status": status, "code": code, "detail": detail} | more).encode()
    return Reply(status, body, {"Content-Type": "application/problem+json"} | dict(headers or {}))


def hang_up(_: Seen) -> Reply:
    """End the connection without an answer."""
    return Reply(0, b"", cut=True)


class ScriptedServer:
    """Answers with `script` in its order, then with `fallback`; `seen` holds the requests."""

    def __init__(self) -> None:
        self.script: deque[Answer] = deque()
        self.fallback: Answer = Reply(404, b"no more answers")
        self.seen: list[Seen] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                scripted._handle(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        seen = Seen(handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()}, body)
        self.seen.append(seen)
        answer = self.script.popleft() if self.script else self.fallback
        reply = answer if isinstance(answer, Reply) else answer(seen)
        if reply.status:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(reply.body) + (1 if reply.cut else 0)))
            handler.send_header("Connection", "close")
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(reply.body)
        if reply.cut:
            handler.connection.shutdown(socket.SHUT_RDWR)


def free_url() -> str:
    """Return an address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
