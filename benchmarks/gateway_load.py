"""The model and the callers of the gateway's benchmarks: bare asyncio protocols, as fast as Python gets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

KEY = "benchmark"
MODEL_S = 0.1
PATIENCE_S = 30.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n" + b"x" * 64
_EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = b"9\r\ndata: 1\n\n\r\n"


class Answering(asyncio.Protocol):
    """The model: answers every head that ends; `/slow` after 100 ms, `/events` with an event at once and its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        write = self._transport.write  # type: ignore[attr-defined]
        if b"GET /slow " in data:
            asyncio.get_running_loop().call_later(MODEL_S, write, _ANSWER)
        elif b"GET /events " in data:
            write(_EVENTS)
            asyncio.get_running_loop().call_later(0.001, write, _EVENT)
            asyncio.get_running_loop().call_later(0.01, write, b"0\r\n\r\n")
        else:
            write(_ANSWER * data.count(b"\r\n\r\n"))


async def application(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
    """The same answer from uvicorn: what people run without a gateway."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
    await send({"type": "http.response.body", "body": b"x" * 64})


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
        _, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < 64:
            return
        check(self._buffer)
        self.latencies.append(time.perf_counter() - self._asked)
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._ask()
        elif not self._over.done():
            self._transport.close()
            self._over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(ConnectionError(f"a connection was closed: {self._buffer!r}"))

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]


def make_request(address: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nAccept: */*\r\n\r\n".encode()


def check(answer: bytes) -> None:
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"unexpected answer: {answer[:500]!r}")


async def load(address: str, path: str, connections: int, seconds: float) -> list[float]:
    """Return the latency of every request, in seconds, of callers that ask as fast as they are answered."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    request, until = make_request(address, path), time.perf_counter() + seconds
    callers = []
    for _ in range(connections):
        over: asyncio.Future[None] = loop.create_future()
        _, caller = await loop.create_connection(lambda over=over: Asking(request, until, over), host, int(port))
        callers.append((caller, over))
    await asyncio.gather(*(over for _, over in callers))
    return [latency for caller, _ in callers for latency in caller.latencies]


class Paced(asyncio.Protocol):
    """A connection for one request at a time, which goes back to `idle` once it is answered."""

    def __init__(self, idle: list[Paced], latencies: list[float]) -> None:
        self._idle, self._latencies = idle, latencies
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer.partition(b"\r\n\r\n")[2]) < 64:
            return
        check(self._buffer)
        self._latencies.append(time.perf_counter() - self._due)
        self._buffer = b""
        self._idle.append(self)


async def paced(address: str, path: str, per_second: int, seconds: float) -> list[float]:
    """Return latencies of requests that begin at an even pace, whether earlier ones were answered or not.

    A latency counts from the moment the request was due: a stall is not hidden by callers that wait for it to end.
    """
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    request = make_request(address, path)
    idle: list[Paced] = []
    latencies: list[float] = []

    async def connect() -> Paced:
        return (await loop.create_connection(lambda: Paced(idle, latencies), host, int(port)))[1]

    # As many as are under way at this pace, twice over, so that hardly any request waits for a connection.
    idle += [await connect() for _ in range(int(per_second * MODEL_S * 2))]
    everyone = list(idle)
    began, count = time.perf_counter(), int(per_second * seconds)
    for number in range(count):
        due = began + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if not idle:
            idle.append(await connect())
            everyone.append(idle[-1])
        idle.pop().ask(request, due)
    while len(latencies) < count:
        if time.perf_counter() > began + seconds + PATIENCE_S:
            raise SystemExit(f"{count - len(latencies)} of {count} requests to {address} were never answered")
        await asyncio.sleep(0.01)
    for caller in everyone:
        caller.transport.close()
    return latencies


async def first_events(address: str, path: str, count: int) -> list[float]:
    """Return the seconds from each request to the first event of its answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    waited = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(make_request(address, path))
        check(await reader.readuntil(b"data: 1"))
        waited.append(time.perf_counter() - began)
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    return waited
