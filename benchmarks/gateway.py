"""Requests through the gateway beside the same model called directly: rate, CPU per request, added latency.

    python -m benchmarks.gateway [seconds per round]

Model, gateway and callers are processes of their own; direct and gateway rounds alternate in one run, so that what
else the machine does falls on both. The model answers 64 bytes at once from a bare asyncio protocol: it is as fast as
Python gets, so nearly all that is measured is the way there. Rates at 64 connections, latencies at one connection.
`keyed` checks a key; every request is traced and counted in all cases. At the end the gateway's memory, and its CPU
while it is idle with ten deployments.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.report import report
from serai.domain.deployment import Access
from serai.domain.routes import Endpoint, Grant, Route
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
    """One way to the model, measured over several rounds; the CPU of process `pid` is what counts."""

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


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def wait_until_routed(gateway: GatewayProcess) -> None:
    address = gateway.url.removeprefix("http://")
    deadline = time.monotonic() + 5
    while True:
        try:
            asyncio.run(load(address, "/open/", 1, 0.0))
            return
        except BaseException:  # the caller gives up with SystemExit on any answer but 200
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, child(serve_model) as (port, model_pid):
        model = f"127.0.0.1:{port}"
        token_file = Path(folder) / "token"
        token_file.write_text(TOKEN)
        with child(serve_control, model) as (control_url, _):
            gateway = GatewayProcess(str(control_url), token_file, Path(folder) / "data", window_s=10.0)
            try:
                wait_until_routed(gateway)
                run(model, model_pid, gateway, seconds)
            finally:
                gateway.terminate()


def run(model: str, model_pid: int, gateway: GatewayProcess, seconds: float) -> None:
    """Measure all cases in turns and report them."""
    address = gateway.url.removeprefix("http://")
    cases = [
        Case("model direct", model, "/", model_pid),
        Case("gateway", address, "/open/", gateway.pid),
        Case("gateway keyed", address, "/keyed/", gateway.pid),
    ]
    for _ in range(ROUNDS):
        for case in cases:
            case.measure(seconds)
    rows = [case.row() for case in cases]
    for row in rows:
        row["p50_ms_added"] = round(float(str(row["p50_ms_alone"])) - float(str(rows[0]["p50_ms_alone"])), 3)
        row["p99_ms_added"] = round(float(str(row["p99_ms_alone"])) - float(str(rows[0]["p99_ms_alone"])), 3)
    report("gateway", rows)
    before = cpu_s(gateway.pid)
    time.sleep(IDLE_S)
    idle = {
        "resident_mib": round(psutil.Process(gateway.pid).memory_info().rss / 2**20, 1),
        "resident_limit_mib": 80,
        "idle_cpu_percent": round((cpu_s(gateway.pid) - before) / IDLE_S * 100, 2),
        "idle_limit_percent": 2,
    }
    report("gateway_idle", [idle])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.5)
