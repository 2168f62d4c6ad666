"""`serai idle` and `serai wake` against a real server, gateway and model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Serai
from tests.system.installation import Installation, make_model
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(installation: Installation) -> Iterator[str]:
    """The name of a deployment that runs."""
    installation.deploy(make_model(installation.folder / "sleeper", "name: sleeper\nhealth: {interval: 200ms}\n"))
    yield "sleeper"
    installation.run("stop", "sleeper", "--detach")


def rest(serai: Serai, model: str) -> None:
    """Let it rest, and wait until it does."""
    serai("idle", model)
    eventually(lambda: serai.json("status", model)["ready"] == 0, 30)


def test_it_rests_and_wakes_when_it_is_told_to(serai: Serai, model: str) -> None:
    said = serai("idle", model).stdout
    assert said == "sleeper is idle; a request or `serai wake sleeper` starts its replicas again.\n"
    assert serai.json("idle", model)["idle"] is True, "the same again is no error"
    eventually(lambda: serai.json("status", model)["ready"] == 0, 30)
    status = serai("status", model).stdout
    assert "0/0 ready" in status and "wake it" in status
    assert "sleeper v1 is running at http" in serai("wake", model).stdout
    woken = serai.json("wake", model)
    assert (woken["state"], woken["ready"]) == ("running", 1), "what is awake is running at once"
    told = [(event["kind"], event["actor"]) for event in serai.json("events", model)]
    assert told.count(("deployment.idled", "admin")) == told.count(("deployment.woken", "admin")) == 1
    assert "deployment.woken" in serai("events", model).stdout and "by admin" in serai("events", model).stdout


def test_a_request_wakes_it_and_is_answered(serai: Serai, model: str) -> None:
    rest(serai, model)
    assert serai("call", model).stdout.startswith("1 ")
    assert serai.json("status", model)["ready"] == 1


def test_nobody_has_to_wait_for_the_wake(serai: Serai, model: str) -> None:
    rest(serai, model)
    assert serai("wake", model, "--detach").stdout == "sleeper is waking.\n"
    eventually(lambda: serai.json("status", model)["ready"] == 1, 30)
    rest(serai, model)
    detached = json.loads(serai("wake", model, "--detach", "--json").stdout)
    assert (detached["name"], detached["idle"]) == ("sleeper", False)
    serai("wake", model)


def test_what_cannot_be_is_a_sentence_and_an_exit_code(serai: Serai, model: str) -> None:
    for verb in ("idle", "wake"):
        assert "no deployment named 'nowhere'" in serai(verb, "nowhere", code=1).stderr
        assert "Usage" in serai(verb, code=2).stderr
    assert "is not a duration" in serai("wake", model, "--timeout", "soon", code=2).stderr
    serai("stop", model)
    refused = json.loads(serai("idle", model, "--json", code=1).stderr)["error"]
    assert refused["code"] == "not-running" and "serai start sleeper" in refused["message"]
    serai("start", model)
