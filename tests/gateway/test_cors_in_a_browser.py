"""A page in a real Chromium calls a keyed deployment by fetch, through both engines."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import async_playwright

from serai.domain.deployment import Access
from serai.domain.routes import Endpoint, Route, RouteTable
from serai.domain.traffic import Cors
from serai.gateway.asyncio_engine import AsyncioEngine
from serai.gateway.engine import Engine
from serai.gateway.haproxy.haproxy_engine import HaproxyEngine
from serai.gateway.haproxy.program import find_program
from tests.gateway.contract_requests import grant
from tests.gateway.models import Model
from tests.ui.browser import FLAGS, find_chromium

CHROMIUM, FOUND = find_chromium(), find_program()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]

_CALL = """async ([url, key]) => {
  try {
    const answer = await fetch(url, {method: "POST", headers: {"Authorization": "Bearer " + key,
      "Content-Type": "application/json", "X-Serai-Wait": "0"}, body: "{}"});
    return [answer.status, answer.headers.get("X-Serai-Replica"), (await answer.json()).code ?? ""];
  } catch (error) { return [0, null, ""]; }
}"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name) / "haproxy"


@pytest.mark.parametrize("name", ["asyncio", "haproxy"])
def test_a_page_calls_a_keyed_deployment(name: str, folder: Path) -> None:
    asyncio.run(asyncio.wait_for(_call_from_pages(name, folder), 60))


async def _call_from_pages(name: str, folder: Path) -> None:
    engine = _make_engine(name, folder)
    await engine.start()
    model, page = await Model().start(), await Model(_show).start()
    try:
        origin = f"http://localhost:{page.port.number}"
        route = Route(
            "m", "ann", 1, (Endpoint("r1", model.address, 1),), Access.KEYS, (grant("k"),), cors=Cors(origins=(origin,))
        )
        await engine.apply(RouteTable(1, {"m": route}))
        url = "http://{}:{}/m/".format(*engine.address)
        other = f"http://{page.address}"  # another origin by its name
        answers = await _ask([(origin, url, "k"), (origin, url, "wrong"), (other, url, "k")])
    finally:
        await model.close()
        await page.close()
        await engine.close(0.2)
    assert answers == [[200, "r1", ""], [401, None, "unauthenticated"], [0, None, ""]]
    assert model.requests == 1


def _make_engine(name: str, folder: Path) -> Engine:
    place = ("127.0.0.1", 0, "models.test", lambda record: None, dict)
    if name == "asyncio":
        return AsyncioEngine(*place)
    if FOUND.program is None:
        pytest.skip(FOUND.why_not)
    return HaproxyEngine(*place, folder, FOUND.program)


async def _show(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="<title>app</title>", content_type="text/html")


async def _ask(calls: list[tuple[str, str, str]]) -> list[object]:
    answers = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            for origin, url, key in calls:
                page = await browser.new_page()
                await page.goto(origin)
                answers.append(await page.evaluate(_CALL, [url, key]))
                await page.close()
        finally:
            await browser.close()
    return answers
