"""What the tests of an engine share: the engine, models behind it, callers before it, and the records it leaves."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from serai.domain.routes import Endpoint, Route, RouteTable
from serai.gateway.engine import Engine
from serai.gateway.record import RequestRecord
from tests.gateway.models import Handler, Model, Script, ScriptedModel, echo

T = TypeVar("T")


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status and problem["title"] and problem["detail"], problem
        return str(problem["code"])


async def soon(check: Callable[[], T], timeout_s: float = 15.0) -> T:
    """Return the first true result of `check`."""
    deadline = time.monotonic() + timeout_s
    while not (result := check()):
        assert time.monotonic() < deadline, "not true in time"
        await asyncio.sleep(0.005)
    return result


@dataclass
class Bench:
    """One engine with its surroundings. `address` is host:port of the engine."""

    engine: Engine
    records: list[RequestRecord]
    routes: dict[str, Route] = field(default_factory=dict)
    index: int = 0
    models: list[Model | ScriptedModel] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None

    @property
    def address(self) -> str:
        host, port = self.engine.address
        return f"{host}:{port}"

    async def model(self, handler: Handler = echo, keepalive_s: float = 75.0) -> Model:
        model = await Model(handler, keepalive_s).start()
        self.models.append(model)
        return model

    async def scripted(self, script: Script) -> ScriptedModel:
        model = await ScriptedModel(script).start()
        self.models.append(model)
        return model

    async def route(self, *endpoints: Endpoint, name: str = "m", version: int | None = 1, **more: Any) -> None:
        """Replace the route of one deployment."""
        self.routes[name] = Route(name, more.pop("owner", "ann"), version, tuple(endpoints), **more)
        await self.apply()

    async def apply(self) -> None:
        self.index += 1
        await self.engine.apply(RouteTable(self.index, dict(self.routes)))

    async def serve(self, handler: Handler = echo, **more: Any) -> Model:
        """Put one model behind deployment `m`."""
        model = await self.model(handler)
        await self.route(at(model), **more)
        return model

    async def call(
        self, path: str = "/m/", method: str = "GET", headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Reply:
        if self.session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self.session = aiohttp.ClientSession(auto_decompress=False, connector=connector)
        url = f"http://{self.address}{path}"
        async with self.session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            return Reply(response.status, response.headers, await response.read())

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.engine.address
        return await asyncio.open_connection(host, port, limit=2**20)

    async def raw(self, request: bytes) -> bytes:
        """Send bytes and return all that comes until the connection closes."""
        reader, writer = await self.dial()
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def seen_target(self, request_target: str, host: str = "gateway") -> Any:
        """Return the target that the echoing model saw for a target sent as it stands, or the problem's code."""
        request = f"GET {request_target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        document = json.loads((await self.raw(request.encode())).partition(b"\r\n\r\n")[2])
        return document.get("target") or document["code"]

    async def record(self, count: int = 1) -> RequestRecord:
        """Wait until there are `count` records and return the last."""
        await soon(lambda: len(self.records) >= count)
        assert len(self.records) == count, self.records
        return self.records[-1]

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()
        await self.engine.close(drain_s=0.2)
        for model in self.models:
            await model.close()
        await soon(lambda: len(asyncio.all_tasks()) == 1)


def at(model: Model | ScriptedModel, replica: str = "r1", version: int = 1, draining: bool = False) -> Endpoint:
    return Endpoint(replica, model.address, version, draining)


def values(headers: Sequence[Sequence[str]], name: str) -> list[str]:
    """Return the values of a header among pairs."""
    return [value for key, value in headers if key.lower() == name.lower()]


async def gather_replies(calls: Sequence[Awaitable[Reply]]) -> list[Reply]:
    return list(await asyncio.gather(*calls))
