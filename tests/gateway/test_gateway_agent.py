"""A gateway and its server: routes come, figures go, and each lives through the other's death."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from serai.domain.deployment import Access
from serai.domain.errors import Conflict, ServerUnavailable
from serai.domain.finished import FinishedRequest
from serai.domain.routes import Grant, Route
from serai.domain.traffic import Rate
from serai.domain.window import Clock
from serai.gateway.agent import Agent
from serai.gateway.config import GatewayConfig
from serai.gateway.control import ControlPlane
from serai.gateway.folder import load_gateway_id
from serai.gateway.haproxy.program import find_program
from serai.gateway.span_post import SpanPost
from serai.gateway.table_file import TableFile
from serai.gateway.trust import TrustRule
from tests.gateway.bench import at, soon
from tests.gateway.control_server import TOKEN, ControlServer
from tests.gateway.models import Model

FOUND = find_program()


@pytest.fixture(autouse=True, params=["asyncio", "haproxy"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs with each engine."""
    if request.param == "haproxy" and FOUND.program is None:
        pytest.skip(FOUND.why_not)
    monkeypatch.setattr(World, "engine", request.param)
    return str(request.param)


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **more), 60))

    return run


class World:
    """A control server, one model, and gateways on one folder, one after the other."""

    engine = "asyncio"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = ControlServer()
        self.model = Model()
        self.token_file = folder / "gateway.token"
        self.token_file.write_text(TOKEN + "\n")

    @property
    def route(self) -> Route:
        return Route("m", "ann", 1, (at(self.model),))

    @asynccontextmanager
    async def gateway(self, server: Path | None = None, **options: Any) -> AsyncIterator[Agent]:
        data = self.folder / "gateway"
        more: dict[str, Any] = {"port": 0, "window_s": 1.0, "drain_s": 1.0, "engine": self.engine} | options
        config = GatewayConfig(server or self.control.url, self.token_file, data, **more)
        agent, stop, ready = Agent(config), asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(agent.run(stop, lambda url: ready.set()))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            yield agent
        finally:
            stop.set()
            await running


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    made = World(folder)
    await made.control.start()
    await made.model.start()
    try:
        yield made
    finally:
        await made.model.close()
        await made.control.close()


async def call(agent: Agent, path: str = "/m/", key: str = "") -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(agent.url + path) as response:
        await response.read()
        return response.status


async def until_status(agent: Agent, status: int, path: str = "/m/", key: str = "") -> None:
    deadline = time.monotonic() + 15
    while await call(agent, path, key) != status:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def health(agent: Agent) -> Any:
    async with aiohttp.ClientSession() as session, session.get(agent.url + "/-/healthz") as response:
        return await response.json()


@in_loop
async def test_routes_come_and_change_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        assert await call(agent) == 404
        for _ in range(5):
            await w.control.publish(w.route)
            began = time.monotonic()
            await until_status(agent, 200)
            await w.control.publish()
            await until_status(agent, 404)
            assert time.monotonic() - began < 1
        found = await health(agent)
        assert (found["engine"], found["index"], found["server"]["reachable"]) == (w.engine, w.control.index, True)


@in_loop
async def test_the_server_hears_of_a_leaving_replica_until_its_last_request_is_done(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        arrived, answer = asyncio.Event(), asyncio.Event()

        async def slow(request: web.BaseRequest) -> web.StreamResponse:
            arrived.set()
            await answer.wait()
            return web.Response(text="done")

        await w.control.publish(w.route)
        await until_status(agent, 200)
        w.model.handler = slow
        request = asyncio.create_task(call(agent))
        await arrived.wait()
        assert set(w.control.asked_busy) == {""}
        await w.control.publish(Route("m", "ann", 1))
        await soon(lambda: w.control.asked_busy[-1] == at(w.model).replica)
        assert w.control.asked_indexes[-1] == w.control.index
        answer.set()
        assert await request == 200
        await soon(lambda: w.control.asked_busy[-1] == "")


@in_loop
async def test_it_serves_on_while_the_server_is_dead(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        await w.control.publish(w.route)
        await until_status(agent, 200)
        await w.control.stop()
        await soon(lambda: not agent.health()["server"]["reachable"])  # type: ignore[index]
        assert [await call(agent) for _ in range(20)] == [200] * 20
        await w.control.start()
        await w.control.publish()
        await until_status(agent, 404)


@in_loop
async def test_it_starts_without_a_server_from_the_saved_routes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.gateway() as agent:
            await w.control.publish(w.route)
            await until_status(agent, 200)
        index = w.control.index
        await w.control.stop()
        async with w.gateway() as agent:
            assert await call(agent) == 200
            await w.control.start()
            await soon(lambda: agent.health()["server"]["reachable"])  # type: ignore[index]
            assert w.control.asked_indexes[-1] in (index, w.control.index)


@in_loop
async def test_saved_routes_are_private_and_replaced_in_one_step(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        path = tmp_path / "gateway" / "routes.json"
        await w.control.publish(w.route)
        await until_status(agent, 200)
        await soon(path.exists)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await w.control.publish(w.route, Route("n", "bob", None))
        await soon(lambda: "bob" in path.read_text())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"index": 1}', b"\xff\xfe", b'{"routes": []}'])
def test_broken_saved_routes_are_not_used(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_bytes(content)
    assert TableFile(tmp_path / "routes.json").load() is None


@in_loop
async def test_a_wrong_token_is_survived_and_replaced(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.token_file.write_text("wrong")
        async with w.gateway() as agent:
            await w.control.publish(w.route)
            assert not (await health(agent))["server"]["reachable"]
            w.token_file.unlink()
            await asyncio.sleep(0.2)
            w.token_file.write_text(TOKEN)
            await until_status(agent, 200)


@in_loop
async def test_a_server_that_moves_is_found_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "server"
    file.write_text("")
    async with world(tmp_path) as made, world(tmp_path) as elsewhere, made.gateway(file) as agent:
        await made.control.publish(made.route)
        assert not agent.health()["server"]["reachable"]  # type: ignore[index]
        file.write_text(f"{made.control.url}/\n")
        await until_status(agent, 200)
        await made.control.stop()
        file.write_text("")
        assert await call(agent) == 200
        elsewhere.control.index = made.control.index
        await elsewhere.control.publish(replace(elsewhere.route, deployment="n"))
        file.write_text(elsewhere.control.url)
        await until_status(agent, 200, "/n/")


@in_loop
async def test_figures_arrive_once_and_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        await w.control.publish(w.route)
        await until_status(agent, 200)
        asked = w.model.requests
        statuses = [await call(agent) for _ in range(30)]
        await soon(lambda: w.control.count() >= asked + 30)
        counted = w.control.count()
        assert statuses == [200] * 30 and counted == w.model.requests
        assert w.control.count(Clock.FIRST_BYTE) == w.control.count(Clock.QUEUE) == counted
        assert len({window.gateway for window in w.control.windows.values()}) == 1


@in_loop
async def test_figures_wait_for_an_absent_server(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.gateway() as agent:
            await w.control.publish(w.route)
            await until_status(agent, 200)
            await w.control.stop()
            for _ in range(25):
                await call(agent)
        assert list((tmp_path / "gateway" / "journal").glob("*.json.gz"))
        await w.control.start()
        async with w.gateway():
            await soon(lambda: w.control.count() == w.model.requests)
            await soon(lambda: not list((tmp_path / "gateway" / "journal").iterdir()))


@in_loop
async def test_figures_of_the_last_moment_are_sent_at_the_end(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.gateway() as agent:
            await w.control.publish(w.route)
            await until_status(agent, 200)
        assert w.control.count() == w.model.requests
        assert not list((tmp_path / "gateway" / "journal").iterdir())


@in_loop
async def test_a_window_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.control.refuse_with = 422
        journal = tmp_path / "gateway" / "journal"
        async with w.gateway() as agent:
            await w.control.publish(w.route)
            await until_status(agent, 200)
            await soon(lambda: list(journal.glob("*.rejected")))
            w.control.refuse_with = None
            asked = w.model.requests
            await call(agent)
            await soon(lambda: w.control.count() == w.model.requests - asked)


@in_loop
async def test_a_spoolfile_that_was_damaged_is_put_aside(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        journal = tmp_path / "gateway" / "journal"
        journal.mkdir(parents=True)
        (journal / "000000000100-00000001-a.b.json.gz").write_bytes(b"\x1f\x8bnonsense")
        async with w.gateway() as agent:
            await soon(lambda: list(journal.glob("*.rejected")))
            await w.control.publish(w.route)
            await until_status(agent, 200)
            await soon(lambda: w.control.count() > 0)


@in_loop
async def test_two_gateways_do_not_share_a_folder(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway():
        with pytest.raises(Conflict, match="folder of its own"):
            async with w.gateway():
                pass


def test_ids_are_kept_and_starts_told_apart(tmp_path: Path) -> None:
    ids: Sequence[str] = [load_gateway_id(tmp_path) for _ in range(3)]
    assert len(set(ids)) == 3 and len({id.partition(".")[0] for id in ids}) == 1
    (tmp_path / "id").write_bytes(b"\xff\xff not an id")
    assert load_gateway_id(tmp_path).partition(".")[0] != ids[0].partition(".")[0]


@in_loop
async def test_nonsense_from_the_server_is_survived(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        await w.control.publish(w.route)
        await until_status(agent, 200)
        port = w.control.port.number
        await w.control.stop()

        async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"index": "many", "routes": 7}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(nonsense, "127.0.0.1", port)
        await soon(lambda: not agent.health()["server"]["reachable"])  # type: ignore[index]
        assert await call(agent) == 200
        server.close()
        await server.wait_closed()
        await w.control.start()
        await w.control.publish()
        await until_status(agent, 404)


@in_loop
async def test_a_server_that_answers_in_haste_is_not_flooded(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway() as agent:
        await w.control.publish(w.route)
        await until_status(agent, 200)
        w.control.is_hasty = True
        await w.control.publish(w.route)
        before = len(w.control.asked_indexes)
        await asyncio.sleep(0.5)
        assert len(w.control.asked_indexes) - before < 8


@in_loop
async def test_keys_go_out_of_date_without_the_server_and_over_restarts(tmp_path: Path) -> None:
    grants = (Grant(hashlib.sha256(b"good").hexdigest(), "k1"),)
    rule = TrustRule(0.5, "refuse")
    async with world(tmp_path) as w:
        async with w.gateway(keys=rule) as agent:
            await w.control.publish(
                replace(w.route, access=Access.KEYS, grants=grants), replace(w.route, deployment="o")
            )
            await until_status(agent, 200, key="good")
            await asyncio.sleep(1)
            assert await call(agent, key="good") == 200  # a server that is there and has no news is no lost one
            await w.control.stop()
            await until_status(agent, 503, key="good")
            assert await call(agent, "/o/") == 200
            await w.control.start()
            await until_status(agent, 200, key="good")
        await w.control.stop()
        await asyncio.sleep(0.6)
        async with w.gateway(keys=rule) as agent:  # it has not heard from the server since before
            assert (await call(agent, key="good"), await call(agent, "/o/")) == (503, 200)
            await w.control.start()
            await until_status(agent, 200, key="good")
        await w.control.stop()
        async with w.gateway(keys=TrustRule(0.1, "keep")) as agent:
            await asyncio.sleep(0.3)
            assert await call(agent, key="good") == 200


@pytest.mark.parametrize(
    ("rule", "silence_s", "trusting"),
    [
        (TrustRule(10, "refuse"), 9.9, True),
        (TrustRule(10, "refuse"), 10, False),
        (TrustRule(0, "refuse"), 0, False),
        (TrustRule(10, "keep"), 1e9, True),
    ],
)
def test_how_long_keys_last(rule: TrustRule, silence_s: float, trusting: bool) -> None:
    assert rule.is_trusting(1000.0, 1000.0 + silence_s) is trusting


@pytest.mark.parametrize(("rate", "statuses"), [(Rate(3, 60), [401] * 3 + [429] * 2), (None, [401] * 25)])
@in_loop
async def test_how_many_wrong_keys_is_a_setting(rate: Rate | None, statuses: list[int], tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway(wrong_keys=rate) as agent:
        await w.control.publish(replace(w.route, access=Access.KEYS))
        await until_status(agent, 401)
        assert [await call(agent, key=f"wrong{number}") for number in range(len(statuses))] == statuses


def asking(number: int) -> dict[str, str]:
    return {"traceparent": f"00-{number:032x}-{1:016x}-01"}


async def call_traced(agent: Agent, numbers: range) -> None:
    async with aiohttp.ClientSession() as session:
        for number in numbers:
            async with session.get(agent.url + "/m/", headers=asking(number)) as response:
                assert response.status == 200


def traces(w: World) -> list[int]:
    return [int(span["trace_id"], 16) for span in w.control.spans]


@in_loop
async def test_sampled_requests_are_sent_beside_the_figures(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.gateway(trace_share=0.0) as agent:
        await w.control.publish(w.route)
        await until_status(agent, 200)
        await call_traced(agent, range(1, 21))
        await soon(lambda: len(w.control.spans) == 20)
        assert traces(w) == list(range(1, 21))
        assert {(span["method"], span["path"], span["replica"]) for span in w.control.spans} == {
            ("GET", "/m/", at(w.model).replica)
        }
        await soon(lambda: w.control.count() == w.model.requests)  # they are counted as all others


@in_loop
async def test_sampled_requests_wait_for_an_absent_server_and_are_sent_at_the_end(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.gateway(trace_share=0.0) as agent:
            await w.control.publish(w.route)
            await until_status(agent, 200)
            await w.control.stop()
            await soon(lambda: not agent.health()["server"]["reachable"])  # type: ignore[index]
            await call_traced(agent, range(1, 11))
            await asyncio.sleep(1.2)  # it has tried
            await w.control.start()
            await soon(lambda: len(w.control.spans) == 10)
            await call_traced(agent, range(11, 13))
        assert traces(w) == list(range(1, 13))
        assert w.control.lost_spans == 0


@in_loop
async def test_sampled_requests_beyond_the_room_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(tmp_path) as w:
        plane = ControlPlane(w.control.url, w.token_file, "gw-1")
        post = SpanPost(plane, capacity=5)
        await w.control.stop()
        for number in range(1, 9):
            post.keep(make_span(number))
            if number == 2:
                with pytest.raises(ServerUnavailable):
                    await post.post_pending()
        assert caplog.text.count("the oldest are dropped") == 1
        await w.control.start()
        await post.post_pending()
        assert (traces(w), w.control.lost_spans) == ([4, 5, 6, 7, 8], 3)
        w.control.refuse_with = 422
        post.keep(make_span(9))
        await post.post_pending()
        assert "1 sampled requests are dropped, the server refuses them" in caplog.text
        w.control.refuse_with = None
        post.keep(make_span(10))
        await post.post_pending()
        assert (traces(w)[5:], w.control.lost_spans) == ([10], 4)
        await plane.close()


def make_span(number: int) -> FinishedRequest:
    return FinishedRequest("m", 1, "r", "GET", "/", 200, 1.0, 0.1, f"{number:032x}", f"{number:016x}")
