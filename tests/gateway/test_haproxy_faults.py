"""Faults around HAProxy: it is killed, its agent is killed, somebody meddles with it, tables come in floods."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import stat
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from serai.domain.deployment import Access
from serai.domain.routes import Route
from serai.gateway.haproxy.folder import RunFolder
from serai.gateway.haproxy.haproxy_engine import HaproxyEngine
from serai.gateway.haproxy.master import HaproxyFailure, Master, claim_port
from serai.gateway.haproxy.program import find_program
from serai.gateway.haproxy.reader import Records
from serai.gateway.haproxy.render import Plan
from serai.gateway.haproxy.runtime import Runtime
from serai.gateway.haproxy.state import State
from serai.gateway.haproxy.supervision import end_leftover, find_leftover
from serai.gateway.record import RequestRecord
from tests.gateway.bench import Bench, at, soon
from tests.gateway.caller_load import Load
from tests.gateway.contract_requests import grant
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.test_gateway_agent import in_loop, world

FOUND = find_program()
CALLERS = 4

pytestmark = pytest.mark.skipif(FOUND.program is None, reason=FOUND.why_not)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Bench]:
    """Yield a bench with a HAProxy engine in `folder`."""
    assert FOUND.program is not None
    records: list[RequestRecord] = []
    engine = HaproxyEngine("127.0.0.1", 0, "", records.append, dict, folder / "haproxy", FOUND.program)
    await engine.start()
    bench = Bench(engine, records)
    try:
        yield bench
    finally:
        if bench.session is not None:
            await bench.session.close()
        await engine.close(drain_s=0.2)
        for model in bench.models:
            await model.close()


def workers(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


def runtime_of(bench: Bench) -> Runtime:
    engine = bench.engine
    assert isinstance(engine, HaproxyEngine)
    return engine.runtime


@pytest.mark.parametrize("victim", ["master", "worker"])
@in_loop
async def test_a_killed_haproxy_is_back_within_moments(
    tmp_path: Path, victim: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(tmp_path) as bench:
        await bench.serve()
        assert (await bench.call()).status == 200
        assert isinstance(bench.engine, HaproxyEngine)
        pid, engine = bench.engine.pid, bench.engine
        os.kill(pid if victim == "master" else workers(pid)[0].pid, signal.SIGKILL)
        began = time.monotonic()

        async def is_back() -> bool:
            try:
                return engine.pid != pid and (await bench.call()).status == 200
            except aiohttp.ClientError:
                return False

        while not await is_back():
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 2
        await soon(lambda: "it is started anew" in caplog.text)
        await bench.route(at(await bench.model(), "other"))
        assert (await bench.call()).headers["X-Serai-Replica"] == "other"


@in_loop
async def test_a_killed_agent_costs_no_request_and_its_haproxy_is_taken_over(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.control.publish(w.route)
        arguments = (w.control.url, w.token_file, w.folder / "gateway", 1.0, 5.0, "haproxy")
        first = await asyncio.to_thread(GatewayProcess, *arguments)
        haproxy = w.folder / "gateway" / "haproxy"
        second = None
        try:
            async with aiohttp.ClientSession() as session:
                await _until_served(session, first.url)
            load = Load(first.url + "/m/")
            await soon(lambda: load.answered > 20)
            port = find_leftover(haproxy)
            assert first.url.endswith(f":{port}")
            await asyncio.to_thread(first.kill)
            before = load.answered
            await soon(lambda: load.answered > before + 100)
            second = await asyncio.to_thread(GatewayProcess, *arguments)
            assert second.url == first.url
            before = load.answered
            await soon(lambda: load.answered > before + 100)
            await w.control.publish(w.route, Route("n", "ann", 1, (at(w.model, "r2"),)))
            async with aiohttp.ClientSession() as session:
                await _until_served(session, second.url, "/n/")
            await load.stop()
            assert not load.failures
            assert await asyncio.to_thread(second.terminate) == 0
            await soon(lambda: w.control.count() >= w.model.requests, 5)
            assert w.control.count() == w.model.requests
        finally:
            if second is not None and sys.exc_info()[0]:
                second.kill()
            await end_leftover(haproxy)
        assert not haproxy.exists()


@pytest.mark.parametrize("how", ["killed", "told"])
@in_loop
async def test_an_upgrade_costs_no_request(tmp_path: Path, how: str) -> None:
    """The next gateway wants another configuration: the HAProxy that served on goes on with that."""
    async with world(tmp_path) as w:
        await w.control.publish(w.route)
        arguments = (w.control.url, w.token_file, w.folder / "gateway", 1.0, 5.0, "haproxy")
        first = await asyncio.to_thread(GatewayProcess, *arguments)
        haproxy = w.folder / "gateway" / "haproxy"
        try:
            async with aiohttp.ClientSession() as session:
                await _until_served(session, first.url)
                load = Load(first.url + "/m/", CALLERS)
                await soon(lambda: load.answered > 20)
                pid = json.loads((haproxy / "running.json").read_text())["pid"]
                await asyncio.to_thread(first.kill if how == "killed" else first.leave)
                second = await asyncio.to_thread(GatewayProcess, *arguments, "models.test")
                assert second.url == first.url
                await soon(lambda before=load.answered: load.answered > before + 100)  # type: ignore[misc]
            # On another connection: those that are there end with the old configuration, after one more answer.
            by_host = {"Host": "m.models.test"}
            async with aiohttp.ClientSession() as session, session.get(second.url + "/", headers=by_host) as answer:
                assert answer.status == 200
            assert json.loads((haproxy / "running.json").read_text())["pid"] == pid
            await load.stop()
            assert not load.failures
            assert await asyncio.to_thread(second.terminate) == 0
            await soon(lambda: w.control.count() >= w.model.requests, 5)
            assert w.control.count() == w.model.requests
        finally:
            await end_leftover(haproxy)


async def _until_served(session: aiohttp.ClientSession, url: str, path: str = "/m/") -> None:
    deadline = time.monotonic() + 10
    while True:
        async with session.get(url + path) as response:
            if response.status == 200:
                return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@in_loop
async def test_records_that_nobody_read_are_counted_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader loses a part of what it reads, as one does that is killed with its buffers full."""
    take = Records.take

    def take_some(self: Records, text: bytes) -> None:
        take(self, b"".join(line for number, line in enumerate(text.splitlines(keepends=True)) if number % 3))

    async with started(tmp_path) as bench:
        model = await bench.serve()
        monkeypatch.setattr(Records, "take", take_some)
        load = Load(f"http://{bench.address}/m/")
        await soon(lambda: load.answered > 300)
        assert isinstance(bench.engine, HaproxyEngine)
        await bench.engine.audit()  # under load: nothing that is on its way is taken for lost
        assert len(bench.records) <= model.requests
        await load.stop()
        await bench.engine.audit()
        assert len(bench.records) == model.requests
        untimed = [record for record in bench.records if not record.is_timed]
        assert untimed and {(record.deployment, record.status) for record in untimed} == {("m", 200)}
        assert f"the records of {len(untimed)} requests" in caplog.text or len(untimed) > 1
        monkeypatch.undo()
        await bench.call()
        await bench.engine.audit()
        assert len(bench.records) == model.requests


@in_loop
async def test_another_engine_ends_the_haproxy_that_was_left(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        arguments = (w.control.url, w.token_file, w.folder / "gateway", 1.0, 5.0)
        first = await asyncio.to_thread(GatewayProcess, *arguments, "haproxy")
        await asyncio.to_thread(first.kill)
        assert find_leftover(w.folder / "gateway" / "haproxy")
        second = await asyncio.to_thread(GatewayProcess, *arguments, "asyncio")
        assert not (w.folder / "gateway" / "haproxy").exists()
        assert await asyncio.to_thread(second.terminate) == 0


@in_loop
async def test_a_change_that_waits_its_turn_is_no_fault_of_haproxy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(tmp_path) as bench:
        await bench.serve()
        assert isinstance(bench.engine, HaproxyEngine)
        audit = asyncio.create_task(bench.engine.audit())
        await asyncio.sleep(0)  # it reads what runs; meanwhile a route changes
        await bench.serve(access=Access.KEYS, grants=(grant("k"),))
        await audit
        assert (await bench.call(headers={"Authorization": "Bearer k"})).status == 200
        assert "repaired" not in caplog.text


@in_loop
async def test_what_somebody_changed_is_repaired_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with started(tmp_path) as bench:
        await bench.serve(access=Access.KEYS, grants=(grant("k"),))
        key = {"Authorization": "Bearer k"}
        assert (await bench.call(headers=key)).status == 200
        assert isinstance(bench.engine, HaproxyEngine)
        await bench.engine.audit()
        assert "repaired" not in caplog.text
        stolen = grant("stolen").key_hash
        await runtime_of(bench).run(
            [
                f"add map maps/grants.map {stolen}/m 9999999999:x",
                "del map maps/rows.map m",
                "set server p0/1.r1 state maint",
                "add server p0/1.evil 127.0.0.1:1 maxconn 1",
                "set server p0/1.evil state ready",
            ]
        )
        assert (await bench.call(headers=key)).status == 404
        await bench.engine.audit()
        assert "repaired: del map maps/grants.map" in caplog.text and stolen not in caplog.text
        assert (await bench.call(headers=key)).headers["X-Serai-Replica"] == "r1"
        assert (await bench.call(headers={"Authorization": "Bearer stolen"})).status == 401
        await soon(lambda: "p0/1.evil" not in bench.engine.known_servers)  # type: ignore[attr-defined]


@in_loop
async def test_a_full_disk_under_the_gateway_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be written when HAProxy has to grow: what has no room in it is carried all the same."""
    async with started(tmp_path) as bench:
        model = await bench.serve()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        bench.routes |= {f"d{number}": Route(f"d{number}", "ann", 1, (at(model),)) for number in range(100)}
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            await bench.apply()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert {(await bench.call(f"/{name}/")).status for name in bench.routes} == {200}
        assert "cannot grow" in caplog.text
        await bench.apply()  # with the next table there is room again
        assert (await bench.call("/d99/")).status == 200


@in_loop
async def test_files_and_sockets_are_private_and_gone_at_the_end(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)  # longer than a socket's path may be
    deep.mkdir()
    async with started(deep) as bench:
        await bench.serve()
        assert (await bench.call()).status == 200
        assert isinstance(bench.engine, HaproxyEngine)
        pid = bench.engine.pid
        folder = deep / "haproxy"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if not path.is_dir()}
        sockets = {"admin.sock", "master.sock", "log.sock", "handed.sock", "rescue.sock"}
        assert sockets <= modes.keys()
        assert {name for name, mode in modes.items() if mode & 0o077} <= {"haproxy.log"}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists() and not psutil.pid_exists(pid)


@in_loop
async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    assert FOUND.program is not None
    async with started(tmp_path) as bench:
        port = bench.engine.address[1]
        engine = HaproxyEngine("127.0.0.1", port, "", print, dict, tmp_path / "other", FOUND.program)
        with pytest.raises(OSError, match="in use"):
            await engine.start()
        assert (await bench.call("/-/healthz")).status == 200


@in_loop
async def test_a_free_port_that_somebody_takes_at_the_last_moment_is_left_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        theirs = somebody.getsockname()[1]
        claims = iter([theirs, theirs])
        monkeypatch.setattr(
            "serai.gateway.haproxy.supervision.claim_port", lambda host, port: next(claims, 0) or claim_port(host, port)
        )
        async with started(tmp_path) as bench:
            assert bench.engine.address[1] != theirs
            model = await bench.serve()
            await bench.route(at(model, "r1"))
            assert (await bench.call("/m/")).status == 200


@in_loop
async def test_its_own_log_stays_short(tmp_path: Path) -> None:
    async with started(tmp_path) as bench:
        model = await bench.serve()
        assert isinstance(bench.engine, HaproxyEngine)
        log = tmp_path / "haproxy" / "haproxy.log"
        bench.engine.master.trim_output()
        assert log.stat().st_size > 0
        bench.engine.master.trim_output(limit_bytes=10)
        assert log.stat().st_size == 0
        await bench.route(at(model, "r2"))
        await soon(lambda: "r2" in log.read_text())
        assert log.stat().st_size < 1000  # not as long as it was, with nothing in it


@in_loop
async def test_a_haproxy_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The port is taken between the look at it and the start."""
    assert FOUND.program is not None
    folder = RunFolder(tmp_path / "haproxy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        folder.write(Plan("127.0.0.1", taken.getsockname()[1], "", 1, 1), State())
        with pytest.raises(HaproxyFailure, match="cannot bind socket"):
            await Master(FOUND.program.path, folder).start()
        folder.write(Plan("127.0.0.1", 1, "bro'ken", 1, 1), State())
        with pytest.raises(HaproxyFailure, match="does not take its configuration"):
            await Master(FOUND.program.path, folder).start()
    folder.close()
