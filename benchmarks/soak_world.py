"""The installation of the soak: `serai up`, more gateways beside it, and the hands that kill all of them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from serai.cli.supervise import is_healthy
from serai.client.client import Client
from tests.ports import free_port
from tests.system.cutting_logs import CONFIG, PLUGIN, count_cuts
from tests.system.installation import make_model

ROOT = Path(__file__).parents[1]
PATIENCE_S = 90.0
_SETTINGS = f"""{CONFIG}
tick = "1s"
gateway_engine = "haproxy"
[plugin."{PLUGIN}"]
log_file_size = "1 MiB"
log_files = 8
"""

# Answers at once, and numbers its lines, each with the requests that it has seen; the last one says that it ends.
MODEL = r"""
import asyncio, os, signal, sys, time
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
life, number, seen = str(time.time_ns()), 0, 0
class Model(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        global seen
        seen += data.count(b"GET /work ")
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))
def say(word):
    global number
    os.write(1 + number % 2, f"{word} {life} {number} {seen}\n".encode())
    number += 1
async def count():
    while True:
        for _ in range(5):
            say("count")
        await asyncio.sleep(0.1)
def end():
    say("end")
    os._exit(0)
async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    await loop.create_server(Model, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await count()
asyncio.run(main())
"""


class Gateway:
    """A gateway beside that of `serai up`: started again when it ends, as an init system would."""

    def __init__(self, folder: Path, server: str, token_file: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._command = [
            sys.executable, "-P", "-m", "serai", "gateway", "--server", server, "--token-file", str(token_file),
            "--data", str(folder), "--port", str(self.port), "--config", str(folder.parent / "serai.toml"),
        ]  # fmt: skip
        self._log = folder.with_suffix(".log")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._process = self._start()
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._process.terminate()
        self._thread.join(60)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=make_env())

    def _keep(self) -> None:
        while True:
            self._process.wait()
            if self._closing.wait(0.5):
                return
            self._process = self._start()


class World:
    """Everything of one soak in `folder`; `kill_...` return whether there was something to kill, with SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "serai.toml").write_text(_SETTINGS)
        self._dice = random.Random()
        self._log = folder / "up.log"
        command = [sys.executable, "-P", "-m", "serai", "up", "--no-example", "--data", str(folder / "main")]
        command += ["--config", str(folder / "serai.toml"), "--port", "0", "--gateway-port", "0"]
        with self._log.open("ab") as log:
            self._up = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=make_env(), text=True
            )
        ready = self._await_ready()
        self.url, self.port = ready["server"], int(ready["gateway"].rpartition(":")[2])
        self.token = Path(ready["token_file"]).read_text().strip()
        gateway_token = folder / "main" / "gateway.token"
        self.others = [Gateway(folder / name, self.url, gateway_token) for name in ("second", "third")]

    @property
    def ports(self) -> list[int]:
        return [self.port, *(gateway.port for gateway in self.others)]

    @property
    def folders(self) -> list[Path]:
        return [self.folder / "main", *(gateway.folder for gateway in self.others)]

    @property
    def cuts(self) -> int:
        """Return how often the collector's connection was cut."""
        return count_cuts(self.folder / "main")

    def client(self) -> Client:
        return Client(self.url, self.token, patience_s=PATIENCE_S)

    def deploy(self, name: str, replicas: int) -> None:
        folder = make_model(self.folder / name, f"replicas: {replicas}\ndrain_timeout: 60s\n", MODEL)
        (folder / "change").write_text(str(time.time_ns()))
        command = [sys.executable, "-P", "-m", "serai", "deploy", str(folder)]
        env = make_env() | {"SERAI_URL": self.url, "SERAI_TOKEN": self.token}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name} cannot be deployed: {done.stdout}{done.stderr}")

    def kill_server(self) -> bool:
        return any(_kill(process) for process in self._children("server"))

    def kill_agent(self, number: int) -> bool:
        """Kill a gateway's own process; its HAProxy serves on."""
        folder = str(self.folders[number])
        found = [p for p in self._processes() if "gateway" in _words(p) and folder in _words(p)]
        return any(_kill(process) for process in found)

    def has_agent(self, number: int) -> bool:
        """Return whether a gateway's own process answers, behind HAProxy."""
        return is_healthy(f"http://127.0.0.1:{self.ports[number]}/-/healthz")

    def find_haproxy(self, number: int) -> psutil.Process | None:
        """Return HAProxy's master or its worker, as chance will have it; None while there is none."""
        folder = str(self.folders[number])
        found = [p for p in self._processes() if _name(p) == "haproxy" and _folder(p).startswith(folder)]
        return self._dice.choice(found) if found else None

    def close(self) -> None:
        for gateway in self.others:
            gateway.close()
        self._up.terminate()
        self._up.wait(90)
        if self._up.stdout is not None:
            self._up.stdout.close()
        for process in self._processes():
            if any(word.startswith(str(self.folder)) for word in _words(process)) or _folder(process).startswith(
                str(self.folder)
            ):
                _kill(process)

    def _await_ready(self) -> dict[str, str]:
        assert self._up.stdout is not None
        for line in self._up.stdout:
            if line.startswith("ready "):
                values: dict[str, str] = json.loads(line.removeprefix("ready "))
                threading.Thread(target=self._up.stdout.read, daemon=True).start()
                return values
        raise SystemExit(f"serai up has ended: {self._log.read_text()[-3000:]}")

    def _children(self, verb: str) -> list[psutil.Process]:
        return [p for p in psutil.Process(self._up.pid).children() if verb in _words(p)]

    def _processes(self) -> list[psutil.Process]:
        own = {os.getpid(), self._up.pid}
        return [process for process in psutil.process_iter() if process.pid not in own]


def make_env() -> dict[str, str]:
    """Return an environment without settings, in which the plugin of the soak is found."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SERAI_")}
    paths = [str(ROOT), str(ROOT / "platform"), str(ROOT / "plugins"), env.get("PYTHONPATH", "")]
    return env | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _kill(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        process.send_signal(signal.SIGKILL)
        return True
    return False


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _folder(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""
