"""Calls to models and probes: what is sent, what comes back, and when nothing does."""

from __future__ import annotations

import threading

import pytest

from serai.client.calling import ModelRequest, call_model
from serai.client.probe import probe
from serai.domain.errors import Invalid, ServerUnavailable
from tests.client.scripted import Reply, ScriptedServer, Seen, free_url, hang_up, reply_json


def test_an_answer_with_its_headers_and_times(scripted: ScriptedServer) -> None:
    scripted.fallback = Reply(418, b"tea", {"Content-Type": "text/plain", "X-Model": "pot"})
    with call_model(ModelRequest(scripted.url, "PUT", {"X-Mine": "1"}, b"body")) as answer:
        assert (answer.status, answer.content_type, dict(answer.headers)["x-model"]) == (418, "text/plain", "pot")
        assert b"".join(answer.chunks()) == b"tea"
        assert 0 < answer.first_byte_s <= answer.elapsed_s
    assert (scripted.seen[0].method, scripted.seen[0].body) == ("PUT", b"body")
    assert "authorization" not in scripted.seen[0].headers


def test_a_call_is_never_repeated(scripted: ScriptedServer) -> None:
    scripted.fallback = hang_up
    with pytest.raises(ServerUnavailable, match="no answer from"), call_model(ModelRequest(scripted.url)):
        pass
    assert len(scripted.seen) == 1


def test_a_call_that_takes_too_long(scripted: ScriptedServer) -> None:
    late = threading.Event()

    def wait(_: Seen) -> Reply:
        late.wait(10)
        return Reply()

    scripted.fallback = wait
    with pytest.raises(ServerUnavailable), call_model(ModelRequest(scripted.url, timeout_s=0.1)):
        pass
    late.set()


def test_an_answer_that_is_cut_off(scripted: ScriptedServer) -> None:
    scripted.fallback = Reply(body=b"half", cut=True)
    with pytest.raises(ServerUnavailable), call_model(ModelRequest(scripted.url)) as answer:
        list(answer.chunks())


def test_probes(scripted: ScriptedServer) -> None:
    scripted.script.extend([reply_json({"status": "ok"}), Reply(503, b"[1]"), Reply(200, b"<html>")])
    found = [probe(scripted.url) for _ in range(3)]
    assert [(one.status, one.values) for one in found] == [(200, {"status": "ok"}), (503, {}), (200, {})]
    assert found[0].date
    with pytest.raises(ServerUnavailable):
        probe(free_url())
    with pytest.raises(Invalid):
        probe("ftp://x")
