"""A gateway whose certificate is replaced under it, and one that begins with a bad one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from serai.domain.errors import Invalid
from serai.gateway import certificate
from serai.gateway.haproxy.program import find_program
from tests.gateway.bench import soon
from tests.gateway.certificates import Authority
from tests.gateway.contract_tls import names_shown
from tests.gateway.test_gateway_agent import in_loop, world

FOUND = find_program()


@pytest.fixture(params=["asyncio", "haproxy"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "haproxy" and FOUND.program is None:
        pytest.skip(FOUND.why_not)
    monkeypatch.setattr(certificate, "LOOK_EVERY_S", 0.05)
    return str(request.param)


@in_loop
async def test_files_that_change_are_shown_and_bad_ones_are_not(
    engine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("gateway", "first.test")
    async with world(tmp_path) as w, w.gateway(engine=engine, tls=files, tls_port=0) as agent:
        await w.control.publish(w.route)
        async with httpx.AsyncClient(base_url=agent.tls_url, verify=authority.context, trust_env=False) as caller:
            while (await caller.get("/m/")).status_code != 200:
                await asyncio.sleep(0.01)
            authority.issue("gateway", "second.test")
            while "second.test" not in await names_shown(agent.engine, authority.context):
                assert (await caller.get("/m/")).status_code == 200
            files.cert.write_bytes(files.cert.read_bytes()[:300])
            await soon(lambda: "is not used, the old one stays" in caplog.text)
            assert "second.test" in await names_shown(agent.engine, authority.context)
            assert (await caller.get("/m/")).status_code == 200
        if engine == "haproxy":  # and it begins with the good one when it is started anew
            pem = (w.folder / "gateway" / "haproxy" / "tls.pem").read_bytes()
            assert (
                b"BEGIN CERTIFICATE" in pem
                and (w.folder / "gateway" / "haproxy" / "tls.pem").stat().st_mode & 0o77 == 0
            )
    assert "PRIVATE" not in caplog.text


@in_loop
async def test_a_gateway_does_not_begin_with_a_bad_certificate(engine: str, tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("gateway")
    files.cert.write_text("nothing")
    async with world(tmp_path) as w:
        with pytest.raises(Invalid, match="holds no PEM block"):
            async with w.gateway(engine=engine, tls=files, tls_port=0):
                pass
