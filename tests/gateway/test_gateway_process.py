"""The gateway as a process: killed at any moment it loses no count, and it stays small."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
from dataclasses import replace
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web

from serai.gateway.haproxy.program import find_program
from tests.gateway.bench import soon
from tests.gateway.caller_load import Load
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.test_gateway_agent import World, in_loop, world

FOUND = find_program()


async def start(w: World, engine: str = "asyncio") -> GatewayProcess:
    arguments = (w.control.url, w.token_file, w.folder / "gateway", 1.0, 5.0, engine)
    return await asyncio.to_thread(GatewayProcess, *arguments)


@pytest.mark.slow
@in_loop
async def test_kills_lose_no_count(tmp_path: Path) -> None:
    """What callers saw answered is counted, whatever was killed; nothing is counted that was not sent."""
    chance = random.Random(7)
    sent = answered = 0

    async with world(tmp_path) as w:
        await w.control.publish(w.route)
        for _ in range(6):
            gateway = await start(w)
            over = asyncio.Event()

            async def caller(url: str, over: asyncio.Event) -> None:
                nonlocal sent, answered
                async with aiohttp.ClientSession() as session:
                    while not over.is_set():
                        sent += 1
                        try:
                            async with session.get(url + "/m/") as response:
                                await response.read()
                                answered += response.status == 200
                        except aiohttp.ClientError:
                            return

            callers = [asyncio.create_task(caller(gateway.url, over)) for _ in range(8)]
            await asyncio.sleep(0.1 + chance.random() * 1.2)
            gateway.kill()
            over.set()
            await asyncio.gather(*callers)
        last = await start(w)
        await soon(lambda: w.control.count() >= answered, 10)
        assert await asyncio.to_thread(last.terminate) == 0
        assert answered > 300
        assert answered <= w.control.count() <= sent, (answered, w.control.count(), sent)
        assert not list((tmp_path / "gateway" / "journal").iterdir())


@in_loop
async def test_sigterm_finishes_what_is_in_flight_and_sends_the_figures(tmp_path: Path) -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        began.set()
        await asyncio.sleep(0.5)
        return web.Response(text="finished")

    began = asyncio.Event()
    async with world(tmp_path) as w:
        w.model.handler = slow
        await w.control.publish(w.route)
        gateway = await start(w)

        async def ask() -> str:
            async with aiohttp.ClientSession() as session:
                while True:
                    async with session.get(gateway.url + "/m/") as response:
                        if response.status != 404:
                            return await response.text()
                    await asyncio.sleep(0.01)

        asking = asyncio.create_task(ask())
        await began.wait()
        assert psutil.Process(gateway.pid).memory_info().rss < 80 * 2**20
        assert await asyncio.to_thread(gateway.terminate) == 0
        assert await asking == "finished"
        assert w.control.count() == 1


@pytest.fixture(params=["asyncio", "haproxy"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "haproxy" and FOUND.program is None:
        pytest.skip(FOUND.why_not)
    return str(request.param)


@in_loop
async def test_a_gateway_that_stalls_loses_no_count(tmp_path: Path, engine: str) -> None:
    """Its process is stopped under load, as by a debugger or a machine that swaps, and goes on."""
    async with world(tmp_path) as w:
        await w.control.publish(w.route)
        gateway = await start(w, engine)
        try:
            await until_served(gateway.url)
            load = Load(gateway.url + "/m/")
            os.kill(gateway.pid, signal.SIGSTOP)
            await asyncio.sleep(1.5)
            stalled = load.answered
            if engine == "haproxy":
                await soon(lambda: load.answered > stalled + 50)  # it serves on
            os.kill(gateway.pid, signal.SIGCONT)
            await soon(lambda: load.answered > stalled + 50)
            await load.stop()
            assert not load.failures
        finally:
            assert await asyncio.to_thread(gateway.terminate) == 0
        assert w.control.count() == w.model.requests


@in_loop
async def test_a_full_disk_under_a_gateway_costs_nothing(tmp_path: Path, engine: str) -> None:
    """Nothing can be written: requests and routes go on, and figures are kept in memory."""
    async with world(tmp_path) as w:
        await w.control.publish(w.route)
        gateway = await start(w, engine)
        _, hard = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
        try:
            await until_served(gateway.url)
            load = Load(gateway.url + "/m/")
            resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (0, hard))
            await soon(lambda: load.answered > 50)
            await w.control.publish(w.route, replace(w.route, deployment="n"))
            await until_served(gateway.url, "/n/")
            await load.stop()
            assert not load.failures
        finally:
            resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert await asyncio.to_thread(gateway.terminate) == 0
        assert w.control.count() == w.model.requests


@in_loop
async def test_descriptors_that_run_out_are_waited_for(tmp_path: Path, engine: str) -> None:
    async with world(tmp_path) as w:
        await w.control.publish(w.route)
        gateway = await start(w, engine)
        try:
            await until_served(gateway.url)
            for process in (psutil.Process(gateway.pid), *psutil.Process(gateway.pid).children(recursive=True)):
                _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 20, hard))
            host, _, port = gateway.url.removeprefix("http://").rpartition(":")
            hogs = [await asyncio.open_connection(host, int(port)) for _ in range(100)]
            for _, writer in hogs:
                writer.write(b"GET /m/ HTTP/1.1\r\nHost: g\r\n\r\n")
            await asyncio.sleep(0.5)
            for _, writer in hogs:
                writer.close()
            await until_served(gateway.url)
        finally:
            assert await asyncio.to_thread(gateway.terminate) == 0


async def until_served(url: str, path: str = "/m/") -> None:
    """Return once the model answers by the gateway."""

    async def is_served() -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=2)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url + path) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async with asyncio.timeout(15):
        while not await is_served():
            await asyncio.sleep(0.05)
