"""Which agent is asked, with what, how often, and how failures are told."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serai.domain.errors import Conflict, Invalid, NotFound, SchedulerError, SchedulerUnavailable
from serai_nomad.agent import session
from serai_nomad.agent.api import NomadApi
from serai_nomad.agent.connection_errors import NoAnswer
from serai_nomad.settings import NomadSettings
from tests.plugins.nomad_stand_in import Heard, Said, StandIn, talking
from tests.ports import free_port

LEADERLESS = Said(500, "rpc error: failed to get conn: dial tcp 127.0.0.1:7747: connect: connection refused")
JOB = {"ID": "x", "Name": "x"}


def say(said: Said) -> StandIn:
    return StandIn(lambda _: said)


# what is sent


def test_environment_and_python_nomad_override_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-nomad prefers NOMAD_ADDR to what it was given, takes the environment's token and forgets the namespace."""
    for key, value in {
        "NOMAD_ADDR": "http://127.0.0.1:1", "NOMAD_TOKEN": "stray", "NOMAD_NAMESPACE": "stray", "NOMAD_REGION": "stray",
        "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    with say(Said(200, [])) as agent, talking(agent, token="ours", namespace="models", region="eu") as api:
        api.job_evaluations("x")
        api.list_jobs()
        agent.script = lambda _: Said(200, {})
        api.evaluation("e")
        api.get_variable("nomad/jobs/x")
    assert len(agent.heard) == 4
    for heard in agent.heard:
        assert (heard.query["namespace"], heard.query["region"]) == (["models"], ["eu"])
        assert heard.headers["X-Nomad-Token"] == "ours"


def test_without_a_token_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMAD_TOKEN", "stray")
    with say(Said(200, {})) as agent, talking(agent) as api:
        api.job("x")
    assert "X-Nomad-Token" not in agent.heard[0].headers


@pytest.mark.parametrize("id", ["a?purge=true#f", "a/b", "a%2Fb", "x/versions", "ü n", "a\nb"])
def test_ids_cannot_become_other_calls(id: str) -> None:
    with say(Said(200, {})) as agent, talking(agent) as api:
        api.job(id)
        api.deregister(id)
        api.evaluate(id)
        api.allocation_checks(id)
    assert all(heard.path.count("/") == 3 + (n > 1) + (n > 2) for n, heard in enumerate(agent.heard)), agent.heard
    assert all(set(heard.query) == {"namespace"} for heard in agent.heard)


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_what_is_no_id_is_refused(id: str) -> None:
    with say(Said(200, {})) as agent, talking(agent) as api, pytest.raises(Invalid, match="is no id"):
        api.deregister(id)
    assert not agent.heard


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    with say(Said(200, {})) as agent, talking(agent, token_file=str(path)) as api:
        api.job("x")
        path.write_text("two\n")
        os.utime(path, (1, 1))
        api.job("x")
        path.unlink()
        with pytest.raises(SchedulerUnavailable, match="token_file"):
            api.job("x")
    assert [heard.headers["X-Nomad-Token"] for heard in agent.heard] == ["one", "two"]


def test_redirects_are_not_followed() -> None:
    """The token would go with them."""
    with (
        say(Said(200, {})) as other,
        say(Said(307, "", {"Location": other.address})) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable, match="307"),
    ):
        api.job("x")
    assert not other.heard


# several addresses


def test_refused_moves_on_and_stays_there() -> None:
    settings = f"http://127.0.0.1:{free_port()}"
    with say(Said(200, {"ID": "x"})) as agent:
        api = NomadApi(NomadSettings(addresses=(settings, agent.address)))
        assert api.job("x") == {"ID": "x"}
        assert api.session._current == 1
        assert api.register(JOB) == {"ID": "x"}
        api.close()


def test_all_refused_names_all() -> None:
    addresses = tuple(f"http://127.0.0.1:{free_port()}" for _ in range(2))
    api = NomadApi(NomadSettings(addresses=addresses))
    with pytest.raises(SchedulerUnavailable) as raised:
        api.job("x")
    api.close()
    assert all(f"{address}: connection refused" in raised.value.message for address in addresses)


def test_unknown_names_are_said() -> None:
    api = NomadApi(NomadSettings(addresses=("http://nobody.invalid:4646",)))
    with pytest.raises(SchedulerUnavailable, match=r"nobody\.invalid:4646: the name cannot be resolved"):
        api.job("x")
    api.close()


def test_a_cut_connection_is_tried_once_more() -> None:
    """An agent closes idle connections whenever it likes."""
    answers = [Said(cut=True), Said(200, {"ID": "x"})]
    with StandIn(lambda _: answers.pop(0)) as agent, talking(agent) as api:
        assert api.job("x") == {"ID": "x"}


def test_an_agent_that_always_cuts_is_unavailable() -> None:
    with (
        say(Said(cut=True)) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable, match="cut the connection"),
    ):
        api.job("x")
    assert len(agent.heard) == 2


def test_what_may_not_be_done_twice_is_not() -> None:
    with (
        say(Said(cut=True)) as agent,
        say(Said(200, {})) as other,
        talking(agent, other) as api,
        pytest.raises(SchedulerUnavailable),
    ):
        api.restart_allocation("a", "server")
    assert len(agent.heard) == 1 and not other.heard


def test_a_late_agent_is_passed_over() -> None:
    with _late(0.6) as agent, say(Said(200, [])) as other, talking(agent, other) as api:
        assert api.call("GET", "/v1/jobs", read_s=0.2).json() == []
        assert api.session._current == 1


def test_a_late_node_is_late_through_any_agent() -> None:
    with _late(0.6) as agent, say(Said(200, [])) as other, talking(agent, other) as api:
        with pytest.raises(NoAnswer, match="did not answer in time"):
            api.call("GET", "/v1/client/stats", read_s=0.2)
        assert not other.heard


def _late(seconds: float) -> StandIn:
    def answer(_: Heard) -> Said:
        time.sleep(seconds)
        return Said(200, {})

    return StandIn(answer)


# waiting for a leader


def test_a_lost_leader_is_waited_for() -> None:
    answers = [Said(500, "rpc error: EOF"), LEADERLESS, Said(200, {"EvalID": "e"})]
    with StandIn(lambda _: answers.pop(0)) as agent, talking(agent) as api:
        assert api.register(JOB, enforce_index=0) == {"EvalID": "e"}
    assert [heard.json["EnforceIndex"] for heard in agent.heard] == [True] * 3


def test_another_agent_may_know_the_leader() -> None:
    with StandIn(lambda _: LEADERLESS) as agent, say(Said(200, {"ID": "x"})) as other, talking(agent, other) as api:
        assert api.job("x") == {"ID": "x"}


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PATIENCE_S", 0.5)
    with (
        StandIn(lambda _: LEADERLESS) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable, match="no leader"),
    ):
        api.job("x")
    assert len(agent.heard) == 3


def test_a_restart_is_not_repeated_without_a_leader() -> None:
    with (
        StandIn(lambda _: Said(500, "No cluster leader")) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable),
    ):
        api.restart_allocation("a")
    assert len(agent.heard) == 1


def test_closing_ends_the_wait() -> None:
    with StandIn(lambda _: LEADERLESS) as agent, talking(agent) as api, ThreadPoolExecutor(1) as pool:
        call = pool.submit(api.job, "x")
        while not agent.heard:
            time.sleep(0.01)
        api.close()
        begun = time.monotonic()
        with pytest.raises(SchedulerUnavailable):
            call.result(5)
        assert time.monotonic() - begun < 1
        with pytest.raises(SchedulerUnavailable, match="closed"):
            api.job("x")


# a bounded number of connections


def test_connections_are_bounded() -> None:
    with _late(0.05) as agent, talking(agent, connections=3) as api, ThreadPoolExecutor(12) as pool:
        list(pool.map(api.job, map(str, range(12))))
    assert agent.most_at_once == 3 and len(agent.heard) == 12


def test_a_stream_reserves_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SLOT_S", 0.2)
    gate = threading.Event()

    def answer(heard: Heard) -> Said:
        return Said(stream=lambda: _wait_then_end(gate)) if "event" in heard.path else Said(200, {})

    with StandIn(answer) as agent, talking(agent, connections=2) as api:
        with api.open_stream("/v1/event/stream", {}, 5), api.open_stream("/v1/event/stream", {}, 5):
            with pytest.raises(SchedulerUnavailable, match=r"all 2 connections to Nomad are busy"):
                api.job("x")
            gate.set()
        assert api.job("x") == {}


def _wait_then_end(gate: threading.Event):  # type: ignore[no-untyped-def]
    yield b"{}\n"
    gate.wait(5)


# what no answer of Nomad's may do


@pytest.mark.parametrize("body", ["<html>hello</html>", '"text"', "[1", "7"])
def test_what_is_not_nomad_is_said(body: str) -> None:
    with say(Said(200, body)) as agent, talking(agent) as api:
        for call in (
            lambda: api.job("x"),
            api.list_jobs,
            lambda: api.allocation_checks("a"),
            lambda: api.scale("x", 1),
        ):
            with pytest.raises(SchedulerUnavailable, match=r"does not speak as Nomad"):
                call()


def test_errors_by_status() -> None:
    for said, error in (
        (Said(404, "job not found"), NotFound),
        (Said(400, "invalid character 'b'"), SchedulerError),
        (Said(500, "Enforcing job modify index 0: job already exists"), Conflict),
        (Said(409, {"Path": "x"}), Conflict),
        (Said(503, ""), SchedulerUnavailable),
    ):
        with say(said) as agent, talking(agent) as api, pytest.raises(error) as raised:
            api.register(JOB)
        assert type(raised.value) is error
