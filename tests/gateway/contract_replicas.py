"""Contract: replicas come, go, fail and are waited for, and callers do not notice where that can be helped."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from serai.domain.deployment import Access
from serai.domain.routes import Endpoint
from tests.gateway.bench import Bench, Reply, at, gather_replies, soon
from tests.gateway.contract_requests import grant
from tests.gateway.engine_contract import EngineFixture, scenario
from tests.gateway.models import Model, echo, read_head


class Gate:
    """A handler that keeps its requests until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.waiting += 1
        await self.opened.wait()
        return await echo(request)


def refusing(bench: Bench, replica: str) -> Endpoint:
    """Return the endpoint of a model that was not started."""
    model = Model()
    bench.models.append(model)
    return at(model, replica)


class BalanceContract(EngineFixture):
    @scenario
    async def test_the_least_busy_replica_is_chosen(self, bench: Bench) -> None:
        gates = [Gate(), Gate(), Gate()]
        models = [await bench.model(gate) for gate in gates]
        await bench.route(*(at(model, f"r{number}") for number, model in enumerate(models)))
        calls = [asyncio.ensure_future(bench.call()) for _ in range(9)]
        await soon(lambda: sum(gate.waiting for gate in gates) == 9)
        assert [gate.waiting for gate in gates] == [3, 3, 3]
        gates[1].opened.set()
        await soon(lambda: sum(call.done() for call in calls) == 3)
        gates[1].opened.clear()
        calls += [asyncio.ensure_future(bench.call()) for _ in range(3)]
        await soon(lambda: gates[1].waiting == 6)
        for gate in gates:
            gate.opened.set()
        assert Counter(reply.headers["X-Serai-Replica"] for reply in await gather_replies(calls))["r1"] == 6

    @scenario
    async def test_idle_replicas_share_by_chance(self, bench: Bench) -> None:
        models = [await bench.model() for _ in range(3)]
        await bench.route(*(at(model, f"r{number}") for number, model in enumerate(models)))
        for _ in range(60):
            await bench.call()
        assert all(model.requests > 5 for model in models)

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @scenario
    async def test_a_refused_connection_is_tried_elsewhere(self, method: str, bench: Bench) -> None:
        model = await bench.model()
        await bench.route(refusing(bench, "dead"), at(model, "alive"))
        replies = [await bench.call(method=method, body=b"once") for _ in range(20)]
        assert {(reply.status, reply.headers["X-Serai-Replica"]) for reply in replies} == {(200, "alive")}
        assert model.requests == 20
        assert (await bench.record(20)).replica == "alive"

    @scenario
    async def test_every_replica_refuses(self, bench: Bench) -> None:
        await bench.route(refusing(bench, "a"), refusing(bench, "b"))
        reply = await bench.call()
        assert (reply.status, reply.code()) == (502, "replica-unreachable")
        record = await bench.record()
        assert (record.version, record.replica, record.first_byte_s) == (0, "", None)

    @scenario
    async def test_a_post_that_was_sent_is_sent_to_nobody_else(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)  # and end without an answer, as a model that dies of this request

        models = [await bench.scripted(script) for _ in range(2)]
        await bench.route(*(at(model, f"r{number}") for number, model in enumerate(models)))
        reply = await bench.call(method="POST")
        assert (reply.status, reply.code()) == (502, "replica-failed")
        assert sum(model.connections for model in models) == 1

    @scenario
    async def test_a_get_that_was_sent_may_go_elsewhere(self, bench: Bench) -> None:
        """A replica that is killed under it costs nothing."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)

        dying, alive = await bench.scripted(script), await bench.model()
        await bench.route(at(dying, "dying"), at(alive, "alive"))
        replies = [await bench.call() for _ in range(4)]
        assert {(reply.status, reply.headers["X-Serai-Replica"]) for reply in replies} == {(200, "alive")}
        assert dying.connections > 0

    @scenario
    async def test_a_get_that_kills_is_not_sent_for_ever(self, bench: Bench) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)

        models = [await bench.scripted(script) for _ in range(8)]
        await bench.route(*(at(model, f"r{number}") for number, model in enumerate(models)))
        reply = await bench.call()
        assert (reply.status, reply.code()) == (502, "replica-failed")
        assert sum(model.connections for model in models) <= 4

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @scenario
    async def test_a_model_that_closes_kept_connections_fails_nothing(self, method: str, bench: Bench) -> None:
        """It announces no `Connection: close`, and closes after each answer: the loop may not have seen it yet."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()

        await bench.route(at(await bench.scripted(script)))
        replies = [await bench.call(method=method) for _ in range(50)]
        assert {reply.status for reply in replies} == {200}

    @scenario
    async def test_a_kept_connection_that_dies_unseen_is_replaced_for_get(self, bench: Bench) -> None:
        """The model takes the second request of a connection and closes: a restart at the worst moment."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
            await read_head(reader)

        model = await bench.scripted(script)
        await bench.route(at(model))
        assert [(await bench.call()).status for _ in range(3)] == [200, 200, 200]
        assert (await bench.call(method="PUT", body=b"x")).status == 200

    @scenario
    async def test_a_post_on_a_connection_that_dies_is_not_repeated(self, bench: Bench) -> None:
        heads: list[bytes] = []

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await read_head(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
            heads.append(await read_head(reader))

        await bench.route(at(await bench.scripted(script)))
        assert (await bench.call()).status == 200
        try:
            reply = await bench.call(method="POST", body=b"x")
        except aiohttp.ServerDisconnectedError:
            pass  # an engine may do as the model did
        else:
            assert (reply.status, reply.code()) == (502, "replica-failed")
        assert len(heads) == 2

    @scenario
    async def test_a_model_that_restarts_between_requests_fails_nothing(self, bench: Bench) -> None:
        model = await bench.model()
        await bench.route(at(model))
        for method in ("GET", "POST", "GET", "POST"):
            assert (await bench.call(method=method, body=b"x")).status == 200
            await model.kill()
            await model.start()

    @scenario
    async def test_connections_to_a_model_are_kept(self, bench: Bench) -> None:
        model = await bench.serve()
        for _ in range(20):
            await bench.call(method="POST", body=b"x")
        assert model.connections == 1


class HoldContract(EngineFixture):
    @pytest.mark.parametrize(
        ("state", "code"),
        [
            ("preparing", "not-ready"),
            ("stopped", "stopped"),
            ("shutting_down", "shutting-down"),
            ("error", "error"),
            ("running", "idle"),
            ("", "not-ready"),
        ],
    )
    @scenario
    async def test_refused_at_once_with_the_reason(self, state: str, code: str, bench: Bench) -> None:
        await bench.route(state=state, reason="no GPU is free")
        reply = await bench.call()
        assert (reply.status, reply.code()) == (503, code)
        assert "no GPU is free" in reply.json()["detail"] and int(reply.headers["Retry-After"]) > 0
        record = await bench.record()
        assert (record.status, record.version, record.replica) == (503, 0, "")

    @scenario
    async def test_held_requests_go_on_when_a_replica_comes(self, bench: Bench) -> None:
        await bench.route(hold_s=30)
        calls = [asyncio.ensure_future(bench.call(f"/m/{number}", "POST", body=b"%d" % number)) for number in range(5)]
        await soon(lambda: bench.engine.in_flight == 5)
        model = await bench.model()
        began = time.monotonic()
        await bench.route(at(model), hold_s=30)
        replies = await gather_replies(calls)
        assert time.monotonic() - began < 1
        assert [reply.json()["body"] for reply in replies] == ["0", "1", "2", "3", "4"]
        record = await bench.record(5)
        assert record.queue_s is not None and record.queue_s > 0 and record.status == 200

    @scenario
    async def test_held_too_long(self, bench: Bench) -> None:
        await bench.route(hold_s=0.2)
        reply = await bench.call()
        assert (reply.status, reply.code()) == (503, "held-too-long")
        assert "Retry-After" in reply.headers and "0.2 s" in reply.json()["detail"]
        assert (await bench.record()).queue_s == pytest.approx(0.2, abs=0.5)

    @scenario
    async def test_no_more_than_the_limit_is_held(self, bench: Bench) -> None:
        await bench.route(hold_s=30)
        await bench.route(name="n", hold_s=30)
        held = [asyncio.ensure_future(bench.call()) for _ in range(self.hold_limit)]
        await soon(lambda: bench.engine.in_flight == self.hold_limit)
        reply = await bench.call()
        assert (reply.status, reply.code()) == (503, "hold-full") and "Retry-After" in reply.headers
        other = asyncio.ensure_future(bench.call("/n/"))  # every deployment has its own places
        await soon(lambda: bench.engine.in_flight == self.hold_limit + 1)
        held[0].cancel()  # a caller that leaves frees its place
        await soon(lambda: bench.engine.in_flight == self.hold_limit)
        held[0] = asyncio.ensure_future(bench.call())
        await soon(lambda: bench.engine.in_flight == self.hold_limit + 1)
        model = await bench.model()
        await bench.route(at(model), name="n")
        await bench.route(at(model))
        assert {reply.status for reply in await gather_replies([*held, other])} == {200}
        assert sorted(record.status for record in bench.records) == [200] * (self.hold_limit + 1) + [499, 503]

    @scenario
    async def test_a_hold_that_is_called_off(self, bench: Bench) -> None:
        await bench.route(hold_s=30)
        held = asyncio.ensure_future(bench.call())
        await soon(lambda: bench.engine.in_flight == 1)
        await bench.route(state="stopped", reason="ann stopped it")
        assert (await held).code() == "stopped"

    @scenario
    async def test_a_deployment_that_is_deleted_lets_its_callers_go(self, bench: Bench) -> None:
        await bench.route(hold_s=30)
        held = asyncio.ensure_future(bench.call())
        await soon(lambda: bench.engine.in_flight == 1)
        del bench.routes["m"]
        await bench.apply()
        assert (await held).code() == "unknown-deployment"

    @scenario
    async def test_a_key_revoked_while_held(self, bench: Bench) -> None:
        await bench.route(hold_s=30, access=Access.KEYS, grants=(grant("k"),))
        held = asyncio.ensure_future(bench.call(headers={"Authorization": "Bearer k"}))
        await soon(lambda: bench.engine.in_flight == 1)
        await bench.route(at(await bench.model()), access=Access.KEYS)
        assert (await held).status == 401

    @scenario
    async def test_a_replica_that_just_died_is_waited_for(self, bench: Bench) -> None:
        """The table still names it; its successor is on its way."""
        await bench.route(refusing(bench, "dead"), hold_s=30)
        held = asyncio.ensure_future(bench.call(method="POST", body=b"x"))
        await soon(lambda: bench.engine.in_flight == 1)
        await asyncio.sleep(0.05)
        assert not held.done()
        await bench.route(at(await bench.model(), "new"), hold_s=30)
        assert (await held).headers["X-Serai-Replica"] == "new"

    @scenario
    async def test_a_replica_that_comes_back_under_its_address(self, bench: Bench) -> None:
        model = Model()
        bench.models.append(model)
        await bench.route(at(model), hold_s=30)
        held = asyncio.ensure_future(bench.call())
        await soon(lambda: bench.engine.in_flight == 1)
        await model.start()
        assert (await held).status == 200


class HandoverContract(EngineFixture):
    @pytest.mark.parametrize("leaves", ["draining", "gone"])
    @scenario
    async def test_a_replica_that_leaves_finishes_its_requests(self, leaves: str, bench: Bench) -> None:
        gate = Gate()
        old, new = await bench.model(gate), await bench.model()
        await bench.route(at(old, "old"))
        call = asyncio.ensure_future(bench.call())
        await soon(lambda: gate.waiting == 1)
        rest = [at(old, "old", draining=True)] if leaves == "draining" else []
        await bench.route(*rest, at(new, "new"))
        assert [(await bench.call()).headers["X-Serai-Replica"] for _ in range(10)] == ["new"] * 10
        gate.opened.set()
        assert (await call).headers["X-Serai-Replica"] == "old"

    @scenario
    async def test_only_draining_replicas_are_none(self, bench: Bench) -> None:
        model = await bench.model()
        await bench.route(at(model, draining=True), state="shutting_down")
        assert (await bench.call()).code() == "shutting-down"
        assert model.requests == 0

    @scenario
    async def test_versions_are_switched_under_load_without_a_failure(self, bench: Bench) -> None:
        """50 callers, POST among them, while replicas are replaced 8 times and the old ones are killed for good."""
        models = {0: await bench.model(_pausing)}
        await bench.route(at(models[0], "r0", 1))
        replies: list[Reply] = []
        over = asyncio.Event()

        async def caller(number: int) -> None:
            while not over.is_set():
                method = "POST" if number % 2 else "GET"
                replies.append(await bench.call(f"/m/{number}", method, body=b"x" * number))

        callers = [asyncio.create_task(caller(number)) for number in range(50)]
        for turn in range(1, 9):
            models[turn] = await bench.model(_pausing)
            before = len(replies)
            await bench.route(
                at(models[turn], f"r{turn}", turn), at(models[turn - 1], f"r{turn - 1}", turn - 1), version=turn
            )
            await bench.route(at(models[turn], f"r{turn}", turn), version=turn)
            await soon(lambda before=before: len(replies) > before + 100)  # longer than any request takes
            await models[turn - 1].kill()
        over.set()
        await asyncio.gather(*callers)
        assert Counter(reply.status for reply in replies) == {200: len(replies)}
        assert len(replies) > 800
        await bench.record(len(replies))
        assert {record.status for record in bench.records} == {200}

    @scenario
    async def test_callers_wait_while_the_old_stops_before_the_new_starts(self, bench: Bench) -> None:
        """Handover `replace`: for a moment there is no replica at all."""
        model = await bench.model(_pausing)
        await bench.route(at(model, "r0"), hold_s=30)
        replies: list[Reply] = []
        over = asyncio.Event()

        async def caller() -> None:
            while not over.is_set():
                replies.append(await bench.call())

        callers = [asyncio.create_task(caller()) for _ in range(self.hold_limit)]
        for turn in range(1, 6):
            await soon(lambda turn=turn: len(replies) > turn * 40)
            await bench.route(version=turn, hold_s=30)
            await soon(lambda: bench.engine.in_flight == self.hold_limit)
            await asyncio.sleep(0.03)  # what is in flight is short and ends; what is left is held
            await model.kill()
            model = await bench.model(_pausing)
            await bench.route(at(model, f"r{turn}", turn), version=turn, hold_s=30)
        over.set()
        await asyncio.gather(*callers)
        assert {reply.status for reply in replies} == {200}


class ClosingContract(EngineFixture):
    @scenario
    async def test_requests_in_flight_are_finished(self, bench: Bench) -> None:
        gate = Gate()
        await bench.serve(gate)
        call = asyncio.ensure_future(bench.call(method="POST", body=b"x" * 100_000))
        await soon(lambda: gate.waiting == 1)
        closing = asyncio.ensure_future(bench.engine.close(drain_s=10))
        await soon(lambda: not _accepts(bench))
        gate.opened.set()
        reply = await call
        assert reply.status == 200 and reply.headers["Connection"] == "close"
        await asyncio.wait_for(closing, 5)

    @scenario
    async def test_what_takes_too_long_is_cut(self, bench: Bench) -> None:
        gate = Gate()
        await bench.serve(gate)
        call = asyncio.ensure_future(bench.call())
        await soon(lambda: gate.waiting == 1)
        await asyncio.wait_for(bench.engine.close(drain_s=0.1), 5)
        with pytest.raises(aiohttp.ClientError):
            await call
        assert (await bench.record()).status == 503

    @scenario
    async def test_an_idle_engine_closes_at_once(self, bench: Bench) -> None:
        await bench.serve()
        await bench.call()  # leaves a kept connection on both sides
        began = time.monotonic()
        await bench.engine.close(drain_s=10)
        assert time.monotonic() - began < 1


def _accepts(bench: Bench) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(bench.engine.address) == 0


async def _pausing(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(0.005)
    return await echo(request)
