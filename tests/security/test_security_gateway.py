"""The security model of keys and gateways: what is kept of a key, and what passes in front of models."""

from __future__ import annotations

import hashlib
import logging
import stat
from pathlib import Path

import pytest
from aiohttp import web

from serai.domain.deployment import Access
from serai.domain.routes import Grant, RouteTable
from serai.domain.traffic import Limits, Rate
from serai.gateway.rates import WRONG_KEYS
from serai.gateway.table_file import TableFile
from serai.web.session import COOKIE
from tests.gateway.bench import Bench, at, values
from tests.gateway.engine_contract import EngineFixture, scenario
from tests.gateway.test_asyncio_engine import AsyncioFixture
from tests.gateway.test_haproxy_engine import FOUND, HaproxyFixture
from tests.security.stage import (
    everything_stored,
    make_secret_key,
    sign_in,
)
from tests.web.installation import Installation

# keys of callers


def test_keys_are_hashed(installed: Installation) -> None:
    """A key is 256 random bits, and the store keeps its SHA-256 and first nine characters alone."""
    secret = make_secret_key(installed)["key"]
    assert len(secret.removeprefix("sk_")) == 43
    stored = everything_stored(installed)
    assert hashlib.sha256(secret.encode()).hexdigest() in stored and secret[:9] in stored
    assert secret not in stored and secret[9:] not in stored


def test_gateways_get_hashes(installed: Installation) -> None:
    """Gateways get hashes of keys and never a key."""
    installed.caller("writer").put("/deployments/m", {"image": "model:1", "access": "keys"})
    installed.tick(4)
    secret = make_secret_key(installed)["key"]
    table = installed.caller("gateway").get("/routes").text
    assert hashlib.sha256(secret.encode()).hexdigest() in table and secret not in table and secret[9:] not in table


def test_revoked_keys(installed: Installation) -> None:
    """When the call that revokes a key returns, the published table does not have it."""
    installed.caller("writer").put("/deployments/m", {"image": "model:1", "access": "keys"})
    installed.tick(4)
    key = make_secret_key(installed)
    digest = hashlib.sha256(key["key"].encode()).hexdigest()
    assert digest in installed.caller("gateway").get("/routes").text
    assert installed.caller("writer").delete(f"/keys/{key['id']}").status_code == 204
    assert digest not in installed.caller("gateway").get("/routes").text


def test_keys_are_not_logged(installed: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """A key is neither in the log nor in the timeline."""
    caplog.set_level(logging.DEBUG)
    key = make_secret_key(installed)
    rotated = installed.caller("writer").post(f"/keys/{key['id']}/rotate", {"overlap": "1h"}).json["key"]
    installed.caller("writer").delete(f"/keys/{key['id']}")
    events = installed.caller().get("/events").text
    assert "key." in events
    for secret in (key["key"], rotated):
        assert secret not in caplog.text + events and secret[9:] not in caplog.text + events


def test_keys_are_shown_once(installed: Installation) -> None:
    """A key is told to nobody after the answer that makes it."""
    secret = make_secret_key(installed)["key"]
    for who in ("writer", "admin"):
        assert secret[9:] not in installed.caller(who).get("/keys").text
        assert secret[9:] not in sign_in(installed, who).get("/keys").text


def test_keys_of_others(installed: Installation) -> None:
    """Who may not administer sees and changes only their own keys."""
    key = make_secret_key(installed, "admin")
    writer = installed.caller("writer")
    assert str(key["prefix"]) not in writer.get("/keys").text
    assert writer.delete(f"/keys/{key['id']}").status_code in {403, 404}
    assert key["prefix"] in installed.caller().get("/keys").text


# in front of models


class InFront(EngineFixture):
    """The same of each engine."""

    @scenario
    async def test_keys_open_their_own(self, bench: Bench) -> None:
        """A deployment that asks for keys answers nobody without one, and a key of another deployment is forbidden."""
        model = await bench.serve(access=Access.KEYS, grants=(grant("good"),))
        await bench.route(at(model), name="n", access=Access.KEYS, grants=(grant("other", "k2"),))
        asked = [await bench.call(headers=headers) for headers in ({}, bearer("wrong"), bearer("other"))]
        assert [reply.status for reply in asked] == [401, 401, 403] and model.requests == 0
        assert (await bench.call(headers=bearer("good"))).status == 200

    @scenario
    async def test_keys_stay_in_front(self, bench: Bench) -> None:
        """A key that let a caller in is not passed on to the model."""
        await bench.serve(access=Access.KEYS, grants=(grant("good"),))
        reply = await bench.call(headers=bearer("good"))
        assert reply.status == 200 and b"good" not in reply.body  # the model echoes all that it gets

    @scenario
    async def test_rates(self, bench: Bench) -> None:
        """Who calls more often than a deployment allows a key or a client is answered 429, and the model does not see
        it."""
        grants = (grant("good"), grant("second", "k2"))
        for limits, other in ((Limits(per_key=Rate(3, 60)), 200), (Limits(per_client=Rate(3, 60)), 429)):
            name = "k" if limits.per_key else "c"
            model = await bench.model()
            await bench.route(at(model), name=name, access=Access.KEYS, grants=grants, limits=limits)
            replies = [await bench.call(f"/{name}/", headers=bearer("good")) for _ in range(4)]
            assert [reply.status for reply in replies] == [200, 200, 200, 429] and model.requests == 3
            assert int(replies[-1].headers["Retry-After"]) >= 1
            assert (await bench.call(f"/{name}/", headers=bearer("second"))).status == other

    @scenario
    async def test_wrong_keys(self, bench: Bench) -> None:
        """Many wrong keys of one client are answered 429, while a right key passes."""
        model = await bench.serve(access=Access.KEYS, grants=(grant("good"),))
        statuses = [
            (await bench.call(headers=bearer(f"wrong{number}"))).status for number in range(WRONG_KEYS.count + 1)
        ]
        assert statuses == [401] * WRONG_KEYS.count + [429] and model.requests == 0
        assert (await bench.call(headers=bearer("good"))).status == 200

    @scenario
    async def test_sessions_stay_in_front(self, bench: Bench) -> None:
        """The session's cookie never reaches a model."""
        await bench.serve()
        reply = await bench.call(headers={"Cookie": f"a=1; {COOKIE}=hush; b=2"})
        assert values(reply.json()["headers"], "Cookie") == ["a=1; b=2"]

    @scenario
    async def test_models_set_no_session(self, bench: Bench) -> None:
        """A model cannot set the session's cookie."""

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(headers={"Set-Cookie": f"{COOKIE}=evil; Path=/"})

        await bench.serve(handler)
        reply = await bench.call()
        assert reply.status == 200 and "Set-Cookie" not in reply.headers

    @scenario
    async def test_smuggling(self, bench: Bench) -> None:
        """A request that two parsers could read in two ways does not carry a second one past the gateway."""
        model = await bench.serve()
        second = b"GET /m/smuggled HTTP/1.1\r\nHost: g\r\n\r\n"
        start = b"POST /m/ HTTP/1.1\r\nHost: g\r\n"
        for lengths in (
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"Content-Length: +0\r\n\r\n",
        ):
            before = model.requests
            raw = await bench.raw(start + lengths + second)
            assert raw.count(b"HTTP/1.") == 1 and b"smuggled" not in raw, lengths
            assert model.requests - before <= 1


class TestInFrontAsyncio(AsyncioFixture, InFront):
    pass


@pytest.mark.skipif(FOUND.program is None, reason=FOUND.why_not)
class TestInFrontHaproxy(HaproxyFixture, InFront):
    pass


def grant(key: str, id: str = "k1") -> Grant:
    return Grant(hashlib.sha256(key.encode()).hexdigest(), id)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_the_gateways_file(tmp_path: Path) -> None:
    """The gateway's file of routes can be read by its owner alone."""
    TableFile(tmp_path / "routes.json").save(RouteTable(1, {}))
    assert stat.S_IMODE((tmp_path / "routes.json").stat().st_mode) == 0o600
