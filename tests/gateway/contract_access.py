"""Contract: where a key may stand, how often keys and clients may call, and what keys are worth without the server."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from typing import Any

import pytest

from serai.domain.deployment import Access
from serai.domain.routes import Grant
from serai.domain.traffic import Limits, Rate
from serai.gateway.rates import WRONG_KEYS
from tests.gateway.bench import Bench, Reply, at, gather_replies, soon, values
from tests.gateway.contract_replicas import Gate
from tests.gateway.contract_requests import grant
from tests.gateway.engine_contract import EngineFixture, scenario

KEYED: dict[str, Any] = {"access": Access.KEYS, "grants": (grant("good"), grant("second", "k2"))}
GOOD, SECOND = {"Authorization": "Bearer good"}, {"Authorization": "Bearer second"}


async def send(bench: Bench, count: int, **more: Any) -> Counter[int]:
    return Counter([(await bench.call(**more)).status for _ in range(count)])


# HAProxy knows the first by itself and hands the other over.
@pytest.mark.parametrize("header", ["x-api-key", "x-other-key"])
class KeyHeaderContract(EngineFixture):
    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            ([("{header}", "good")], 200),
            ([("Authorization", "Bearer good")], 200),
            ([("Authorization", "Bearer good"), ("{header}", "good")], 200),
            ([("{header}", "good"), ("{header}", "good")], 200),
            ([("Authorization", "Basic Z29vZDpnb29k"), ("{header}", "good")], 200),
            ([("Authorization", "Bearer good"), ("{header}", "")], 200),
            ([("{header}", "  good ")], 200),
            ([("{header}", "Bearer good")], 401),
            ([("{header}", "good, good")], 401),
            ([("{header}", "bad")], 401),
            ([("{header}", "")], 401),
            ([("x-third-key", "good")], 401),
            ([("Authorization", "Bearer good"), ("{header}", "second")], 400),
            ([("Authorization", "Bearer good"), ("{header}", "bad")], 400),
            ([("{header}", "good"), ("{header}", "bad")], 400),
            ([("Authorization", "Bearer good"), ("Authorization", "Bearer second")], 400),
            ([("{header}", "other")], 403),
        ],
    )
    @scenario
    async def test_where_a_key_may_stand(
        self, header: str, sent: list[tuple[str, str]], status: int, bench: Bench
    ) -> None:
        await bench.route(name="elsewhere", access=Access.KEYS, grants=(grant("other", "k9"),))
        model = await bench.serve(key_header=header, **KEYED)
        lines = "".join(f"{name.format(header=header.title())}: {value}\r\n" for name, value in sent)
        answer = await bench.raw(f"GET /m/ HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{lines}\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer
        record = await bench.record()
        assert (record.status, record.key_id, model.requests) == (status, *(("k1", 1) if status == 200 else ("", 0)))
        codes = {400: b'"two-keys"', 401: b'"unauthenticated"', 403: b'"forbidden"', 200: b""}
        assert codes[status] in answer and b"good" not in answer.lower().replace(b"goods", b"")

    @scenario
    async def test_a_refusal_says_why_and_where_keys_go(self, header: str, bench: Bench) -> None:
        gone = Grant(hashlib.sha256(b"gone").hexdigest(), "k3", 1e9)
        await bench.serve(access=Access.KEYS, grants=(gone,))
        await bench.route(at(bench.models[0]), name="n", access=Access.KEYS, grants=(gone,), key_header=header)
        for path, ways in (("/m/", "`Authorization: Bearer <key>`"), ("/n/", f"`{header}: <key>`")):
            said = {}
            for key in ("", "wrong", "gone"):
                reply = await bench.call(path, headers={"Authorization": f"Bearer {key}"} if key else {})
                assert (reply.status, reply.code()) == (401, "unauthenticated")
                assert reply.headers["WWW-Authenticate"].startswith("Bearer")
                said[key] = reply.json()["detail"]
            assert "takes keyed requests only" in said[""] and said[""].endswith(ways)
            assert "not valid" in said["wrong"] and said["wrong"].endswith(ways) and "expired" in said["gone"]

    @scenario
    async def test_the_model_sees_neither(self, header: str, bench: Bench) -> None:
        await bench.serve(key_header=header, **KEYED)
        for key in ({header: "good"}, GOOD, GOOD | {header: "good"}):
            seen = (await bench.call(headers=key | {"X-Kept": "yes"})).json()["headers"]
            assert values(seen, header) == values(seen, "authorization") == [] and values(seen, "x-kept") == ["yes"]

    @scenario
    async def test_without_keys_the_header_is_the_models_own(self, header: str, bench: Bench) -> None:
        await bench.serve(key_header=header)
        sent = {header: "mine", "Authorization": "Bearer mine"}
        seen = (await bench.call(headers=sent)).json()["headers"]
        assert values(seen, header) == ["mine"] and values(seen, "authorization") == ["Bearer mine"]

    @scenario
    async def test_the_header_is_another_at_once(self, header: str, bench: Bench) -> None:
        model = await bench.serve(**KEYED)
        assert (await bench.call(headers={header: "good"})).status == 401
        await bench.route(at(model), key_header=header, **KEYED)
        assert (await bench.call(headers={header: "good"})).status == 200
        await bench.route(at(model), key_header=header, access=Access.KEYS)
        assert (await bench.call(headers={header: "good"})).status == 401

    @scenario
    async def test_a_held_request_keeps_its_key(self, header: str, bench: Bench) -> None:
        await bench.route(key_header=header, hold_s=20, **KEYED)
        call = asyncio.create_task(bench.call(headers={header: "good"}))
        await soon(lambda: bench.engine.in_flight == 1)
        await bench.route(at(await bench.model()), key_header=header, **KEYED)
        reply = await call
        assert reply.status == 200 and values(reply.json()["headers"], header) == []


# HAProxy counts in windows of 1, 10, 60 and 3,600 s, and hands others over.
@pytest.mark.parametrize("per_s", [1, 10, 60, 3600, 2, 90])
class RateContract(EngineFixture):
    @scenario
    async def test_a_key_is_counted_by_itself(self, per_s: int, bench: Bench) -> None:
        model = await bench.serve(limits=Limits(per_key=Rate(9, per_s)), **KEYED)
        assert await send(bench, 9, headers=GOOD) == {200: 9}
        reply = await bench.call(headers=GOOD)
        assert (reply.status, reply.code(), model.requests) == (429, "rate-limited", 9)
        assert 1 <= int(reply.headers["Retry-After"]) <= per_s
        detail = reply.json()["detail"]
        assert "limits.per_key" in detail and f"9 requests within {per_s} s" in detail
        record = await bench.record(10)
        assert (record.status, record.key_id, record.replica) == (429, "k1", "")
        assert (await bench.call(headers=SECOND)).status == 200

    @scenario
    async def test_a_client_is_counted_whatever_its_key(self, per_s: int, bench: Bench) -> None:
        await bench.serve(limits=Limits(per_client=Rate(4, per_s)), **KEYED)
        assert await send(bench, 2, headers=GOOD) + await send(bench, 2, headers=SECOND) == {200: 4}
        reply = await bench.call(headers=SECOND)
        assert (reply.status, reply.code()) == (429, "rate-limited") and "limits.per_client" in reply.json()["detail"]
        assert int(reply.headers["Retry-After"]) >= 1

    @scenario
    async def test_deployments_are_counted_apart(self, per_s: int, bench: Bench) -> None:
        limits = Limits(per_client=Rate(2, per_s))
        await bench.serve(limits=limits)
        await bench.route(at(await bench.model()), name="n", limits=limits)
        await bench.route(at(await bench.model()), name="free")
        assert await send(bench, 3) == {200: 2, 429: 1}
        assert await send(bench, 2, path="/n/") == {200: 2}
        assert await send(bench, 9, path="/free/") == {200: 9}

    @scenario
    async def test_who_is_refused_for_the_key_does_not_use_the_limits_up(self, per_s: int, bench: Bench) -> None:
        limits = Limits(per_client=Rate(2, per_s), per_key=Rate(2, per_s))
        await bench.serve(limits=limits, **KEYED)
        assert await send(bench, 5, headers={"Authorization": "Bearer bad"}) == {401: 5}
        assert await send(bench, 3, headers=GOOD) == {200: 2, 429: 1}


class RateInTimeContract(EngineFixture):
    @pytest.mark.parametrize("rate", [Rate(5, 1), Rate(5, 2), Rate(1, 1)])
    @scenario
    async def test_retry_after_is_long_enough(self, rate: Rate, bench: Bench) -> None:
        await bench.serve(limits=Limits(per_client=rate))
        for _ in range(2):
            await send(bench, rate.count)
            reply = await bench.call()
            assert reply.status == 429
            await asyncio.sleep(int(reply.headers["Retry-After"]) + 0.02)
            assert (await bench.call()).status == 200

    @scenario
    async def test_what_comes_evenly_passes(self, bench: Bench) -> None:
        await bench.serve(limits=Limits(per_client=Rate(20, 1)))
        replies = []
        for _ in range(50):  # 18 a second
            replies.append(await bench.call())
            await asyncio.sleep(0.055)
        assert {reply.status for reply in replies} == {200}

    @scenario
    async def test_who_does_not_stop_gets_the_rate(self, bench: Bench) -> None:
        await bench.serve(limits=Limits(per_client=Rate(20, 1)))
        began, statuses = time.monotonic(), Counter[int]()
        while time.monotonic() < began + 4:
            statuses += await send(bench, 1)
            await asyncio.sleep(0.005)
        assert statuses[429] > 100 and 60 <= statuses[200] <= 120, statuses

    @scenario
    async def test_many_at_once(self, bench: Bench) -> None:
        await bench.serve(limits=Limits(per_client=Rate(20, 60)))
        replies = await gather_replies([bench.call() for _ in range(100)])
        passed = sum(reply.status == 200 for reply in replies)
        assert 20 <= passed <= 28, passed  # threads of HAProxy may each let one more pass
        assert {reply.status for reply in replies} == {200, 429}
        await bench.record(100)

    @scenario
    async def test_limits_change_at_once(self, bench: Bench) -> None:
        model = await bench.serve(limits=Limits(per_client=Rate(2, 60)))
        assert await send(bench, 3) == {200: 2, 429: 1}
        await bench.route(at(model), limits=Limits(per_client=Rate(4, 60)))
        assert await send(bench, 3) == {200: 2, 429: 1}
        await bench.route(at(model))
        assert await send(bench, 9) == {200: 9}

    @scenario
    async def test_a_retried_request_counts_once(self, bench: Bench) -> None:
        await bench.serve(limits=Limits(per_client=Rate(3, 60)))
        await bench.route(limits=Limits(per_client=Rate(3, 60)), hold_s=20)
        calls = [asyncio.create_task(bench.call()) for _ in range(3)]
        await soon(lambda: bench.engine.in_flight == 3)
        await bench.route(at(await bench.model()), limits=Limits(per_client=Rate(3, 60)), hold_s=20)
        assert {reply.status for reply in await gather_replies(calls)} == {200}


class WrongKeyContract(EngineFixture):
    @scenario
    async def test_many_wrong_keys_are_refused(self, bench: Bench) -> None:
        model = await bench.serve(**KEYED)
        answers = [await self._guess(bench, number) for number in range(WRONG_KEYS.count + 5)]
        assert [reply.status for reply in answers] == [401] * WRONG_KEYS.count + [429] * 5
        assert answers[-1].code() == "rate-limited" and "wrong keys" in answers[-1].json()["detail"]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= WRONG_KEYS.per_s and model.requests == 0
        record = await bench.record(WRONG_KEYS.count + 5)
        assert (record.status, record.key_id) == (429, "")

    @scenario
    async def test_a_good_key_passes_all_the_same(self, bench: Bench) -> None:
        model = await bench.serve(**KEYED)
        await bench.route(at(model), name="open")
        for number in range(WRONG_KEYS.count + 1):
            last = await self._guess(bench, number)
        assert last.status == 429
        assert (await bench.call(headers=GOOD)).status == 200
        assert (await bench.call("/open/")).status == 200

    @scenario
    async def test_no_key_and_a_strange_key_are_no_guesses(self, bench: Bench) -> None:
        await bench.route(name="elsewhere", access=Access.KEYS, grants=(grant("other", "k9"),))
        await bench.serve(**KEYED)
        count = WRONG_KEYS.count + 5
        assert await send(bench, count) == {401: count}
        assert await send(bench, count, headers={"Authorization": "Bearer other"}) == {403: count}
        assert (await self._guess(bench, 1)).status == 401

    async def _guess(self, bench: Bench, number: int) -> Reply:
        return await bench.call(headers={"Authorization": f"Bearer wrong{number}"})


class TrustContract(EngineFixture):
    @scenario
    async def test_keyed_requests_are_refused_and_taken_again(self, bench: Bench) -> None:
        model = await bench.serve(**KEYED)
        await bench.route(at(model), name="open")
        await bench.engine.trust_keys(False)
        reply = await bench.call(headers=GOOD)
        assert (reply.status, reply.code(), model.requests) == (503, "keys-outdated", 0)
        assert int(reply.headers["Retry-After"]) > 0 and "gateway_keys_last" in reply.json()["detail"]
        assert (await bench.record()).status == 503
        assert (await bench.call("/open/")).status == 200
        await bench.engine.trust_keys(True)
        assert (await bench.call(headers=GOOD)).status == 200

    @scenario
    async def test_it_holds_for_new_tables(self, bench: Bench) -> None:
        model = await bench.serve()
        await bench.engine.trust_keys(False)
        assert (await bench.call()).status == 200
        await bench.route(at(model), **KEYED)
        assert (await bench.call(headers=GOOD)).status == 503

    @scenario
    async def test_what_is_on_its_way_goes_on(self, bench: Bench) -> None:
        gate = Gate()
        await bench.serve(gate, **KEYED)
        call = asyncio.create_task(bench.call(headers=GOOD))
        await soon(lambda: gate.waiting == 1)
        await bench.engine.trust_keys(False)
        gate.opened.set()
        assert (await call).status == 200
