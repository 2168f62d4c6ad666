"""TLS to Nomad with real certificates: which are trusted, under which name, and what is said of those that are not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serai.domain.errors import SchedulerUnavailable
from serai_nomad.agent.api import NomadApi
from serai_nomad.agent.events import Connected, Disconnected, EventStream
from serai_nomad.settings import NomadSettings, Tls
from tests.plugins.certificates import Authority, make_server_context
from tests.plugins.nomad_stand_in import Said, StandIn, talking
from tests.waiting import eventually

NAME = "server.global.nomad"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def agent(authority: Authority) -> Iterator[StandIn]:
    """An agent with a certificate like Nomad's own: for a name of its region, not for its address."""
    with StandIn(lambda _: Said(200, {"ID": "x"}), make_server_context(authority.sign("server", NAME))) as agent:
        yield agent


def test_the_name_is_checked_that_is_configured(agent: StandIn, authority: Authority) -> None:
    with talking(agent, tls=Tls(ca_cert=str(authority.path), server_name=NAME), token="t") as api:
        assert api.job("x") == {"ID": "x"}
        with api.open_stream("/v1/event/stream", {}, 2) as response:
            assert response.json() == {"ID": "x"}
    assert {heard.headers["X-Nomad-Token"] for heard in agent.heard} == {"t"}


@pytest.mark.parametrize(
    ("server_name", "text"),
    [("", "its certificate is for another name"), ("client.global.nomad", "checked against 'client.global.nomad'")],
)
def test_another_name_is_refused(agent: StandIn, authority: Authority, server_name: str, text: str) -> None:
    with (
        talking(agent, tls=Tls(ca_cert=str(authority.path), server_name=server_name), token="t") as api,
        pytest.raises(SchedulerUnavailable, match=text),
    ):
        api.job("x")
    assert not agent.heard


def test_another_authority_is_refused(agent: StandIn, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    with (
        talking(agent, tls=Tls(ca_cert=str(stranger.path), server_name=NAME), token="t") as api,
        pytest.raises(SchedulerUnavailable, match=r"not trusted; set plugin\.nomad\.tls\.ca_cert"),
    ):
        api.job("x")
    assert not agent.heard


def test_without_an_authority_the_system_is_asked(agent: StandIn) -> None:
    """python-nomad's default would be to check nothing."""
    with talking(agent) as api, pytest.raises(SchedulerUnavailable, match="not trusted"):
        api.job("x")


def test_checking_can_be_turned_off_and_that_is_logged(agent: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), talking(agent, tls=Tls(verify=False)) as api:
        assert api.job("x") == {"ID": "x"}
    assert "verify is off" in caplog.text


def test_a_client_certificate_is_shown_where_it_is_wanted(authority: Authority) -> None:
    context = make_server_context(authority.sign("server2", "127.0.0.1"), clients=authority.path)
    mine = authority.sign("serai", "serai")
    tls = Tls(ca_cert=str(authority.path), client_cert=str(mine.cert), client_key=str(mine.key))
    with StandIn(lambda _: Said(200, {"ID": "x"}), context) as agent:
        with talking(agent, tls=tls) as api:
            assert api.job("x") == {"ID": "x"}
        with talking(agent, tls=Tls(ca_cert=str(authority.path))) as api, pytest.raises(SchedulerUnavailable) as raised:
            api.job("x")
    assert "client_cert" in raised.value.message


def test_https_to_a_plain_agent_is_told() -> None:
    with StandIn(lambda _: Said(200, {})) as agent:
        api = NomadApi(NomadSettings(addresses=(agent.address.replace("http:", "https:"),)))
        with pytest.raises(SchedulerUnavailable, match="does not speak https"):
            api.job("x")
        api.close()


def test_http_to_a_tls_agent_is_told() -> None:
    """Nomad's own words for it."""
    said = Said(400, "Client sent an HTTP request to an HTTPS server.\n")
    with (
        StandIn(lambda _: said) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable, match="write https://"),
    ):
        api.job("x")


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    api = NomadApi(NomadSettings(addresses=("https://127.0.0.1:1",), tls=Tls(ca_cert=str(tmp_path / "none.pem"))))
    with pytest.raises(SchedulerUnavailable, match=r"none\.pem"):
        api.job("x")
    api.close()


def test_a_stream_over_tls_ends_when_it_is_closed(authority: Authority) -> None:
    gate = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"{}\n"
        gate.wait(20)

    context = make_server_context(authority.sign("server3", NAME))
    with StandIn(lambda _: Said(stream=pieces), context) as agent, ThreadPoolExecutor(1) as pool:
        with talking(agent, tls=Tls(ca_cert=str(authority.path), server_name=NAME)) as api:
            stream = EventStream(api)
            reading = pool.submit(lambda: list(stream))
            eventually(lambda: agent.heard)
            time.sleep(0.1)
            begun = time.monotonic()
            stream.close()
            assert reading.result(5) in ([], [Connected(), Disconnected()])
            assert time.monotonic() - begun < 1
        gate.set()
