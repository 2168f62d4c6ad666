"""A control plane for tests: publishes routes, takes windows once each, and can be gone."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from serai.domain.quantity import parse_duration
from serai.domain.routes import Route, RouteChange, dump_change
from serai.domain.window import Clock, Window, load_window
from serai.web.shapes.queries import Wait
from serai.web.shapes.wire import SpansBody
from tests.gateway.models import Port

TOKEN = "serai_gateway_token"
_WAIT = TypeAdapter(Wait)  # what the real server takes and refuses


class ControlServer:
    """Speaks `GET /api/v1/routes`, `POST /api/v1/telemetry` and `/api/v1/telemetry/spans` as the server does."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.index = 1000
        self.windows: dict[tuple[str, int], Window] = {}
        self.deliveries = 0
        self.spans: list[dict[str, Any]] = []
        self.lost_spans = 0
        self.refuse_with: int | None = None
        self.is_hasty = False
        self.asked_indexes: list[int] = []
        self.asked_busy: list[str] = []
        self.port = Port()
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self.port.address}"

    async def start(self) -> ControlServer:
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/api/v1/routes", self._routes)
        app.router.add_post("/api/v1/telemetry", self._telemetry)
        app.router.add_post("/api/v1/telemetry/spans", self._spans)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port.number, reuse_address=True)
        await site.start()
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        await self.stop()
        self.port.close()

    async def publish(self, *routes: Route) -> None:
        async with self._changed:
            self.routes = {route.deployment: route for route in routes}
            self.index += 1
            self._changed.notify_all()

    def count(self, clock: Clock = Clock.TOTAL) -> int:
        """Return how many requests all windows hold."""
        series = [item for window in self.windows.values() for item in window.series.items()]
        return sum(summary.count for key, summary in series if key.clock is clock)

    async def _routes(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"code": "unauthenticated"}, status=401)
        index = int(request.query["index"])
        self.asked_indexes.append(index)
        self.asked_busy.append(request.query["busy"])
        wait_s = parse_duration(_WAIT.validate_python(request.query["wait"]), "wait")
        if self.is_hasty:
            return web.json_response(dump_change(RouteChange(index, False, {})))
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: self.index != index), wait_s)
            except TimeoutError:
                change = RouteChange(index, False, {})
            else:
                change = RouteChange(self.index, True, dict(self.routes))
        return web.json_response(dump_change(change), headers={"X-Serai-Index": str(change.index)})

    async def _telemetry(self, request: web.Request) -> web.Response:
        document: dict[str, Any] = json.loads(await _read(request))
        if self.refuse_with is not None:
            return web.json_response({"code": "invalid"}, status=self.refuse_with)
        windows = [load_window(window) for window in document["windows"]]
        self.deliveries += len(windows)
        for window in windows:
            self.windows.setdefault((window.gateway, window.sequence), window)
        return web.json_response({"taken": len(windows)})

    async def _spans(self, request: web.Request) -> web.Response:
        if self.refuse_with is not None:
            return web.json_response({"code": "invalid"}, status=self.refuse_with)
        body = SpansBody.model_validate_json(await _read(request))
        self.spans += [span.model_dump() for span in body.spans]
        self.lost_spans += body.lost
        return web.json_response({"taken": len(body.spans)})


async def _read(request: web.Request) -> bytes:
    body = await request.read()
    if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
        return zlib.decompress(body, 31)
    return body
