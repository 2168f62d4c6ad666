"""Requests through the gateway beside plain HAProxy, uvicorn and the model called directly: rate, CPU, added latency.

    python -m benchmarks.gateway [seconds per round]    (1.5; 10 on a quiet machine)

What is measured has a core of its own where there are two: HAProxy then has one thread. Callers and model have the
others.

Model, gateways and callers are processes of their own; rounds of all cases alternate in one run, so that what else the
machine does falls on all. The model answers 64 bytes at once from a bare asyncio protocol: it is as fast as Python
gets, so nearly all that is measured is the way there. Rates at 64 connections, latencies at one connection. `keyed`
checks a key; every request through a gateway is traced and counted. CPU per request is that of all processes of a
case: of a gateway with HAProxy, HAProxy and its agent. Then 1,000 requests a second to a model that takes 100 ms, the
time to the first event of a stream, each gateway's memory, and its CPU while it is idle with ten deployments.
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

from benchmarks.gateway_load import KEY, Answering, first_events, load, paced
from benchmarks.report import report
from serai.domain.deployment import Access
from serai.domain.routes import Endpoint, Grant, Route
from serai.gateway.haproxy.program import find_program
from tests.gateway.control_server import TOKEN, ControlServer
from tests.gateway.gateway_process import GatewayProcess

CONNECTIONS = 64
ROUNDS = 3
IDLE_S = 3.0
PER_S, EVENTS = 1000, 100
_CORES = os.sched_getaffinity(0)
# The last core is that of what is measured, where there is another one for callers and model.
MEASURED = {max(_CORES)}
OTHERS = _CORES - MEASURED or _CORES


def serve_model(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def serve_uvicorn(pipe: Connection) -> None:
    import uvicorn

    from benchmarks.gateway_load import application

    listener = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves small writes to wait for each other
    listener.bind(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", access_log=False, lifespan="off"))
    asyncio.run(server.serve([listener]))


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


@contextmanager
def own_core() -> Iterator[None]:
    """Have processes that are started meanwhile keep to the measured core."""
    os.sched_setaffinity(0, MEASURED)
    try:
        yield
    finally:
        os.sched_setaffinity(0, OTHERS)


@contextmanager
def measured(target: object) -> Iterator[tuple[object, int]]:
    with ExitStack() as stack:
        with own_core():
            found = stack.enter_context(child(target))
        yield found


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
    paced: list[float] = field(default_factory=list)
    events: list[float] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        before, began = cpu_s(self.pid), time.perf_counter()
        latencies = asyncio.run(load(self.address, self.path, CONNECTIONS, seconds))
        self.seconds += time.perf_counter() - began
        self.cpu_s += cpu_s(self.pid) - before
        self.requests += len(latencies)
        self.crowded += latencies
        self.alone += asyncio.run(load(self.address, self.path, 1, seconds / 2))

    def pace(self, seconds: float) -> None:
        """Measure the model that takes 100 ms, and the first events of streams."""
        self.paced += asyncio.run(paced(self.address, self.path + "slow", PER_S, seconds))
        self.events += asyncio.run(first_events(self.address, self.path + "events", EVENTS))

    def latency_row(self) -> dict[str, object]:
        return {
            "case": self.name,
            "p50_ms_paced": round(quantiles(self.paced, n=100)[49] * 1e3, 2),
            "p99_ms_paced": round(quantiles(self.paced, n=100)[98] * 1e3, 2),
            "p50_ms_first_event": round(quantiles(self.events, n=100)[49] * 1e3, 3),
        }

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
    os.sched_setaffinity(0, OTHERS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, model_pid = stack.enter_context(child(serve_model))
        model = f"127.0.0.1:{port}"
        token_file = folder / "token"
        token_file.write_text(TOKEN)
        control_url, _ = stack.enter_context(child(serve_control, model))
        cases = [Case("model direct", model, "/", model_pid)]
        uvicorn_port, uvicorn_pid = stack.enter_context(measured(serve_uvicorn))
        cases.append(Case("uvicorn direct", f"127.0.0.1:{uvicorn_port}", "/", uvicorn_pid))
        if program is not None:
            with own_core():
                plain = stack.enter_context(plain_haproxy(program.path, model, folder))
            cases.append(Case("haproxy plain", *at(plain, "/")))
        gateways = {}
        for engine in ("haproxy", "asyncio") if program else ("asyncio",):
            with own_core():
                gateway = GatewayProcess(str(control_url), token_file, folder / engine, window_s=10.0, engine=engine)
            stack.callback(gateway.terminate)
            address = gateway.url.removeprefix("http://")
            wait_until_answered(address, "/open/")
            gateways[engine] = gateway.pid
            cases.append(Case(f"gateway {engine}", address, "/open/", gateway.pid))
            cases.append(Case(f"gateway {engine} keyed", address, "/keyed/", gateway.pid))
        run(cases, seconds)
        run_paced([case for case in cases if case.name != "uvicorn direct"], seconds)
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
    plain = next((float(str(row["cpu_us_per_request"])) for row in rows if row["case"] == "haproxy plain"), 0.0)
    for row in rows:
        row["cpu_of_plain"] = round(float(str(row["cpu_us_per_request"])) / plain, 2) if plain else "-"
    report("gateway", rows)


def run_paced(cases: list[Case], seconds: float) -> None:
    """Measure and report latencies at a pace, and what each case adds to the model called directly."""
    for _ in range(ROUNDS):
        for case in cases:
            case.pace(seconds)
    rows = [case.latency_row() for case in cases]
    for row in rows:
        for name, limit_ms in (("p99_ms_paced", 10), ("p50_ms_first_event", 2)):
            row[f"{name}_added"] = round(float(str(row[name])) - float(str(rows[0][name])), 3)
            row[f"{name}_limit"] = limit_ms
    report("gateway_paced", rows)


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
