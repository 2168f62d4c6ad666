"""Tells which GPUs it was given: no framework, no download, so it runs on simulated GPUs, too."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How a task learns of its GPUs: CUDA's own, that of NVIDIA's container runtime, and Serai's.
NAMES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "SERAI_GPUS", "SERAI_GPU_MEMORY_MB")
ABOUT = ("SERAI_DEPLOYMENT", "SERAI_VERSION", "SERAI_REPLICA")


def describe() -> dict[str, object]:
    """Return what this replica was given; `gpus` is [] where it was given none."""
    gpus = [id_ for id_ in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if id_]
    said = {name: os.environ[name] for name in (*NAMES, *ABOUT) if name in os.environ}
    return {"gpus": gpus, "host": socket.gethostname(), "environment": said}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif path == "/":
            self._answer(200, describe())
        else:
            self._answer(404, {"error": f"there is nothing at {path}; GET / tells the GPUs"})

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {args[1]}", flush=True)


def main() -> None:
    # On a cluster the gateway is another machine: HOST is the address of this one that it knows.
    host = os.environ.get("HOST", "127.0.0.1")
    server = ThreadingHTTPServer((host, int(os.environ.get("PORT", "8001"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on port {server.server_port} with GPUs {describe()['gpus']}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
