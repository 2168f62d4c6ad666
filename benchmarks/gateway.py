"""Requests through the gateway beside plain HAProxy and the same model called directly: rate, CPU, added latency.

    python -m benchmarks.gateway [seconds per round]

Model, gateways and callers are processes of their own; rounds of all cases alternate in one run, so that what else the
machine does falls on all. The model answers 64 bytes at once from a bare asyncio protocol: it is as fast as Python
gets, so nearly all that is measured is the way there. Rates at 64 connections, latencies at one connection. `keyed`
checks a key; every request through a gateway is traced and counted. CPU per request is that of all processes of a
case: of a gateway with HAProxy, HAProxy and its agent. At the end each gateway's memory, and its CPU while it is idle
with ten deployments.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.report import report
from serai.domain.deployment import Access
from serai.domain.routes import Endpoint, Grant, Route
from serai.gateway.haproxy.program import find_program
from tests.gateway.control_server import TOKEN, ControlServer
from tests.gateway.gateway_process import GatewayProcess

CONNECTIONS = 64
ROUNDS = 3
KEY = "benchmark"
IDLE_S = 3.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n" + b"x" * 64


class Answering(asyncio.Protocol):
    """The model: answers every head that ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(_ANSWER * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


class Asking(asyncio.Protocol):
    """A caller: asks again as soon as it is answered, until `until`."""

    def __init__(self, request: bytes, until: float, over: asyncio.Future[None]) -> None:
        self.latencies: list[float] = []
        self._request, self._until, self._over = request, until, over
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < 64:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unexpected answer: {self._buffer!r}")
        self.latencies.append(time.perf_counter() - self._asked)
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._ask()
        elif not self._over.done():
            self._transport.close()
            self._over.set_result(None)

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]


async def load(address: str, path: str, connections: int, seconds: float) -> list[float]:
    """Return the latency of every request, in seconds."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nAccept: */*\r\n\r\n".encode()
    until = time.perf_counter() + seconds
    callers = []
    for _ in range(connections):
        over: asyncio.Future[None] = loop.create_future()
        _, caller = await loop.create_connection(lambda over=over: Asking(request, until, over), host, int(port))
        callers.append((caller, over))
    await asyncio.gather(*(over for _, over in callers))
    return [latency for caller, _ in callers for latency in caller.latencies]


def serve_model(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def serve_control(pipe: Connection, model: str) -> None:
    grants = (Grant(hashlib.sha256(KEY.encode()).hexdigest(), "1"),)
    endpoint = (Endpoint("r1", model, 1),)

    async def serve() -> None:
        control = await ControlServer().start()
        others = [Route(f"other-{number}", "ann", 1, endpoint) for number in range(8)]
        keyed = Route("keyed", "ann", 1, endpoint, Access.KEYS, grants)
        await control.publish(Route("open", "ann", 1, endpoint), keyed, *others)
        pipe.send(control.url)
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def child(target: object, *args: object) -> Iterator[tuple[object, int]]:
    """Run `target(pipe, ...)` in a process of its own and yield the first thing it sends, and its pid."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *args), daemon=True)  # type: ignore[arg-type]
    process.start()
    try:
        yield ours.recv(), process.pid or 0
    finally:
        process.kill()
        process.join()


@dataclass
class Case:
    """One way to the model, measured over several rounds; the CPU of the process `pid` and its children counts."""

    name: str
    address: str
    path: str
    pid: int
    requests: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    alone: list[float] = field(default_factory=list)
    crowded: list[float] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        before, began = cpu_s(self.pid), time.perf_counter()
        latencies = asyncio.run(load(self.address, self.path, CONNECTIONS, seconds))
        self.seconds += time.perf_counter() - began
        self.cpu_s += cpu_s(self.pid) - before
        self.requests += len(latencies)
        self.crowded += latencies
        self.alone += asyncio.run(load(self.address, self.path, 1, seconds / 2))

    def row(self) -> dict[str, object]:
        alone, crowded = quantiles(self.alone, n=100), quantiles(self.crowded, n=100)
        return {
            "case": self.name,
            "requests_per_s": round(self.requests / self.seconds),
            "cpu_us_per_request": round(self.cpu_s / self.requests * 1e6),
            "p50_ms_alone": round(alone[49] * 1e3, 3),
            "p99_ms_alone": round(alone[98] * 1e3, 3),
            "p50_ms_64": round(crowded[49] * 1e3, 2),
            "p99_ms_64": round(crowded[98] * 1e3, 2),
        }


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_s(pid: int) -> float:
    times = [process.cpu_times() for process in family(pid)]
    return sum(time.user + time.system for time in times)


def resident_mib(pid: int) -> float:
    return sum(process.memory_info().rss for process in family(pid)) / 2**20


@contextmanager
def plain_haproxy(program: Path, model: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Run HAProxy with nothing but a frontend and a backend; yield its address and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = len(os.sched_getaffinity(0))
    configuration = folder / "plain.cfg"
    configuration.write_text(
        f"global\n  nbthread {threads}\ndefaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n"
        f"  timeout connect 1s\nfrontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n"
        f"backend b\n  server s {model}\n"
    )
    process = subprocess.Popen([program, "-db", "-f", configuration], stderr=subprocess.DEVNULL)
    try:
        wait_until_answered(f"127.0.0.1:{port}", "/")
        yield f"127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.wait()


def wait_until_answered(address: str, path: str) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            asyncio.run(load(address, path, 1, 0.0))
            return
        except BaseException:  # the caller gives up with SystemExit on any answer but 200
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main(seconds: float) -> None:
    program = find_program().program
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, model_pid = stack.enter_context(child(serve_model))
        model = f"127.0.0.1:{port}"
        token_file = folder / "token"
        token_file.write_text(TOKEN)
        control_url, _ = stack.enter_context(child(serve_control, model))
        cases = [Case("model direct", model, "/", model_pid)]
        if program is not None:
            cases.append(
                Case("haproxy plain", *at(stack.enter_context(plain_haproxy(program.path, model, folder)), "/"))
            )
        gateways = {}
        for engine in ("haproxy", "asyncio") if program else ("asyncio",):
            gateway = GatewayProcess(str(control_url), token_file, folder / engine, window_s=10.0, engine=engine)
            stack.callback(gateway.terminate)
            address = gateway.url.removeprefix("http://")
            wait_until_answered(address, "/open/")
            gateways[engine] = gateway.pid
            cases.append(Case(f"gateway {engine}", address, "/open/", gateway.pid))
            cases.append(Case(f"gateway {engine} keyed", address, "/keyed/", gateway.pid))
        run(cases, seconds)
        report_idle(gateways)


def at(place: tuple[str, int], path: str) -> tuple[str, str, int]:
    return place[0], path, place[1]


def run(cases: list[Case], seconds: float) -> None:
    """Measure all cases in turns and report them."""
    for _ in range(ROUNDS):
        for case in cases:
            case.measure(seconds)
    rows = [case.row() for case in cases]
    for row in rows:
        row["p50_ms_added"] = round(float(str(row["p50_ms_alone"])) - float(str(rows[0]["p50_ms_alone"])), 3)
        row["p99_ms_added"] = round(float(str(row["p99_ms_alone"])) - float(str(rows[0]["p99_ms_alone"])), 3)
    report("gateway", rows)


def report_idle(gateways: dict[str, int]) -> None:
    """Report what gateways take that have nothing to do."""
    before = {engine: cpu_s(pid) for engine, pid in gateways.items()}
    time.sleep(IDLE_S)
    rows = [
        {
            "engine": engine,
            "resident_mib": round(resident_mib(pid), 1),
            "resident_limit_mib": 80 if engine == "asyncio" else 140,
            "idle_cpu_percent": round((cpu_s(pid) - before[engine]) / IDLE_S * 100, 2),
            "idle_limit_percent": 2,
        }
        for engine, pid in gateways.items()
    ]
    report("gateway_idle", rows)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.5)
