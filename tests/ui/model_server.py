"""A model to talk to: echoes, streams events, sends JSON, images, bytes, and breaks off, as the path says."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGMISTmBBzGMSmNDANbRwF3QcNyVAAAAAElFTkSuQmCC"
)


class Model(BaseHTTPRequestHandler):
    """Answers by path. `/events` waits for `server.next` before each event, so that a test can watch them arrive."""

    protocol_version = "HTTP/1.1"
    server: ModelServer

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Take any method: http.server looks for `do_<METHOD>`."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path == "/events":
            self._stream()
        elif path == "/image":
            self._answer(200, "image/png", PIXEL)
        elif path == "/bytes":
            self._answer(200, "application/octet-stream", bytes(range(256)) * 4)
        elif path == "/teapot":
            self._answer(418, "text/plain", b"short and stout")
        else:
            self._answer(200, "application/json", json.dumps(self._echo(body)).encode())

    def _echo(self, body: bytes) -> dict[str, object]:
        headers = dict(self.headers.items())
        text = body.decode("utf-8", "replace")
        return {"method": self.command, "path": self.path, "headers": headers, "body": text, "size": len(body)}

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Model", "digits")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for word in self.server.words():
                piece = f"data: {json.dumps({'token': word})}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.left.set()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Model)
        self.next = threading.Semaphore(0)
        self.left = threading.Event()
        self.is_closing = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def words(self) -> Iterator[str]:
        """Yield a word each time the test allows one, and at last nothing."""
        for word in ("a", "mule", "and", "a", "camel", "walk"):
            while not self.next.acquire(timeout=0.05):
                if self.is_closing:
                    return
            yield word


@contextmanager
def running_model() -> Iterator[ModelServer]:
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="model")
    thread.start()
    try:
        yield server
    finally:
        server.is_closing = True
        server.shutdown()
        server.server_close()
        thread.join(10)
        deadline = time.monotonic() + 5
        while any("process_request_thread" in t.name for t in threading.enumerate()) and time.monotonic() < deadline:
            time.sleep(0.01)
