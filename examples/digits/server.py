"""Answer over HTTP which digit a picture shows. Only the standard library serves; scikit-learn does the reading."""

from __future__ import annotations

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from model import Digits, read_pixels

HERE = Path(__file__).resolve().parent
LIMIT_BYTES = 8 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    digits: Digits

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif path == "/":
            self._send(200, "text/html; charset=utf-8", (HERE / "page.html").read_bytes())
        else:
            self._answer(404, {"error": f"there is nothing at {path}; POST /predict, GET / or GET /healthz"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LIMIT_BYTES:
            self.close_connection = True  # the body is not read, so the connection cannot go on
            self._answer(411 if not length else 413, {"error": f"send Content-Length, at most {LIMIT_BYTES} bytes"})
            return
        body = self.rfile.read(int(length))
        if self.path.partition("?")[0] != "/predict":
            self._answer(404, {"error": "POST goes to /predict"})
            return
        try:
            answer = self.digits.predict(read_pixels(json.loads(body)))
        except (ValueError, RecursionError) as error:
            self._answer(400, {"error": str(error)})
        else:
            self._answer(200, answer | {"version": os.environ.get("SERAI_VERSION", "")})

    def _answer(self, status: int, value: object) -> None:
        self._send(status, "application/json", json.dumps(value).encode() + b"\n")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {args[1]}", flush=True)


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = False  # the requests that are being answered are finished at the end


def main() -> None:
    print("learning the packaged digits", flush=True)
    Handler.digits = Digits()
    server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8001"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
