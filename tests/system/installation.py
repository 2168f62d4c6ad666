"""A whole installation for tests: real server and gateway processes, real models, everything in one folder."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psutil

from serai.client.client import Client
from serai.client.watch import watch_version
from tests.ports import free_port
from tests.system.deploying import put_folder
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]

# A model in a few lines: answers its version, streams on /slow, dies on /die; ends at SIGTERM at once, as many do.
MODEL = """
import http.server, os, sys, time
class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/die":
            os._exit(7)
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2] or 1))
        body = f"{os.environ['SERAI_VERSION']} {os.environ['SERAI_REPLICA']}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_): pass
print("loading", flush=True)
time.sleep(float(os.environ.get("LOAD_S", "0")))
http.server.ThreadingHTTPServer.daemon_threads = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Model)
print("listening", flush=True)
server.serve_forever()
"""


def make_model(folder: Path, manifest: str = "", code: str = MODEL, python: str = sys.executable) -> Path:
    """Write a model's folder; `python` is the interpreter where the model runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "start.sh").write_text(f"#!/bin/sh\nexec '{python}' -S model.py\n")
    (folder / "model.py").write_text(textwrap.dedent(code))
    if manifest:
        (folder / "serai.yaml").write_text(manifest)
    return folder


class Installation:
    """Server and gateway as processes that can be killed and started again on the same ports and folder."""

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None, config: str = "") -> None:
        """`settings` become SERAI_* variables, `config` the text of a serai.toml."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "serai.toml"
        self.config.write_text(config)
        self.data = folder / "data"
        self.port, self.gateway_port = free_port(), free_port()
        self.url, self.gateway = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.gateway_port}"
        self.log = folder / "serai.log"
        self.settings = {"tick": "1s"} | dict(settings or {})
        self.server: subprocess.Popen[bytes] | None = None
        self.gateway_process: subprocess.Popen[bytes] | None = None

    # processes

    def start(self) -> Installation:
        self.start_server()
        self.start_gateway()
        return self

    def start_server(self) -> None:
        self.server = self._spawn("server", "--port", str(self.port), "--gateway-port", str(self.gateway_port))
        eventually(lambda: self._answers(f"{self.url}/healthz"), 30)

    def start_gateway(self) -> None:
        arguments = ("--server", self.url, "--token-file", str(self.data / "gateway.token"))
        self.gateway_process = self._spawn("gateway", *arguments, "--port", str(self.gateway_port))
        eventually(lambda: self._answers(f"{self.gateway}/-/healthz"), 30)

    def kill_server(self, name: int = signal.SIGKILL) -> None:
        _end(self.server, name)

    def kill_gateway(self, name: int = signal.SIGKILL) -> None:
        _end(self.gateway_process, name)

    def close(self) -> None:
        """End everything, models too."""
        self.kill_gateway(signal.SIGTERM)
        self.kill_server(signal.SIGTERM)
        for process in self.model_processes():
            process.kill()

    def _spawn(self, part: str, *arguments: str) -> subprocess.Popen[bytes]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("SERAI_")}
        env |= {f"SERAI_{name.upper()}": str(value) for name, value in self.settings.items()}
        command = [
            sys.executable,
            "-m",
            "serai",
            part,
            "--data",
            str(self.data),
            "--config",
            str(self.config),
            *arguments,
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=env)

    def _answers(self, url: str) -> bool:
        for process in (self.server, self.gateway_process):
            if process is not None and process.poll() not in {None, -signal.SIGKILL, -signal.SIGTERM, 0}:
                raise RuntimeError(f"a process ended with {process.returncode}:\n{self.log.read_text()[-4000:]}")
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    # use

    def client(self) -> Client:
        return Client(self.url, (self.data / "admin.token").read_text().strip(), patience_s=10)

    def run(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the CLI against this installation."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("SERAI_")}
        env |= {"SERAI_URL": self.url, "SERAI_TOKEN": (self.data / "admin.token").read_text().strip()}
        command = [sys.executable, "-m", "serai", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=env, cwd=self.folder, timeout=timeout_s, check=False
        )

    def deploy(self, folder: Path) -> dict[str, object]:
        """Deploy a folder and wait until it runs, within this process; return the version."""
        with self.client() as client:
            put = put_folder(client, folder)
            for version in watch_version(client, put["name"], put["active"] or put["versions"][0]["number"], 60):
                if version["state"] in {"running", "error", "stopped"}:
                    break
        assert version["state"] == "running", f"{version}\n{self.log.read_text()[-3000:]}"
        return dict(version)

    def deploy_by_cli(self, folder: Path, *arguments: str) -> dict[str, object]:
        done = self.run("deploy", str(folder), "--json", *arguments)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.log.read_text()[-3000:]}"
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def get(self, path: str, timeout_s: float = 10) -> str:
        """Return what a model answers. Raise HTTPError, whose message has the body, too."""
        try:
            with urllib.request.urlopen(f"{self.gateway}{path}", timeout=timeout_s) as answer:
                return str(answer.read().decode().strip())
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
            told = f"{error.msg}: {body.decode(errors='replace')}"
            raise urllib.error.HTTPError(error.url, error.code, told, error.headers, io.BytesIO(body)) from None

    def model_processes(self) -> list[psutil.Process]:
        """Return every process that belongs to a replica of this installation: shims and models."""
        found = []
        for process in psutil.process_iter():
            try:
                belongs = str(self.data) in " ".join(process.cmdline()) or str(self.data) in process.cwd()
                if process.name() == "haproxy" and self.gateway_process is not None:
                    continue  # the gateway's own
                if belongs and process.pid not in self._own() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _own(self) -> set[int]:
        return {process.pid for process in (self.server, self.gateway_process) if process is not None}


def _end(process: subprocess.Popen[bytes] | None, name: int) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(name)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
