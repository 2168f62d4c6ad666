"""What a whole Serai says of a model that crashes, and of a Nomad that is out of reach or does not let it look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import serai_nomad
from serai.client.client import Client
from serai.domain.reasons import Reason
from tests.live.agent import Agent
from tests.live.conftest import AgentFactory, SeraiFactory
from tests.live.sentences import Sentences
from tests.live.witness import WITHIN_S
from tests.system.installation import make_model
from tests.waiting import eventually

pytestmark = [pytest.mark.slow]

NAMESPACE = "serai"
POLICY = (Path(serai_nomad.__file__).parent / "policy.hcl").read_text(encoding="utf-8")
CRASH = "print('loading', flush=True)\nraise SystemExit('no weights in /models')"


def make_token(agent: Agent) -> str:
    set_policy(agent, POLICY)
    made = agent.api.put("/v1/acl/token", {"Name": "serai", "Type": "client", "Policies": ["serai"]})
    return str(made["SecretID"]) + " " + str(made["AccessorID"])


def set_policy(agent: Agent, rules: str) -> None:
    agent.api.put("/v1/acl/policy/serai", {"Name": "serai", "Rules": rules})


def hear(client: Client, name: str, is_said: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
    """Return the deployment once it says so."""

    def look() -> dict[str, Any]:
        seen: dict[str, Any] = dict(client.get_deployment(name))
        return seen if is_said(seen) else {}

    return eventually(look, timeout_s, 0.1)


def has_code(code: str) -> Callable[[dict[str, Any]], bool]:
    return lambda seen: (seen["reason"] or {}).get("code") == code


def test_a_server_tells_why(fresh_agent: AgentFactory, serai_on: SeraiFactory, tmp_path: Path) -> None:
    agent = fresh_agent(acl=True, exec=False)
    agent.api.put(f"/v1/namespace/{NAMESPACE}", {"Name": NAMESPACE})
    token, accessor = make_token(agent).split()
    serai = serai_on(agent, NAMESPACE, plugin={"token": token})
    sentences = Sentences(agent.api, {agent.address: "http://127.0.0.1:4646", agent.name: "gpu-1"})
    serai.deploy(make_model(tmp_path / "echo"))
    with serai.client() as client:
        serai.run("deploy", str(make_model(tmp_path / "crash", "start_attempts: 1\n", CRASH)), "--detach")
        seen = hear(client, "crash", has_code("crash-loop"), 20)
        assert (seen["state"], seen["reason"]["exit_code"]) == ("error", 1)
        assert "no weights in /models" in seen["reason"]["log"]
        sentences.take("crashed-often", make_told(seen))

        set_policy(agent, POLICY.replace('"read-job",', ""))
        seen = hear(client, "echo", has_code("permission-denied"), 2 + WITHIN_S)  # a policy is cached for a second
        assert seen["state"] == "running", "what was seen last is not taken back"
        assert "lacks the right" in seen["reason"]["text"]
        sentences.take("right-missing", make_told(seen))
        set_policy(agent, POLICY)
        hear(client, "echo", lambda seen: seen["reason"] is None, 2 + WITHIN_S)

        agent.pause()
        try:
            seen = hear(client, "echo", has_code("stale"), 20)  # an answer is waited for 10 s
            assert seen["state"] == "running"
            assert serai.get("/echo/").startswith("1 "), "requests are served all the same"
            sentences.take("nomad-out-of-reach", make_told(seen))
        finally:
            agent.resume()
        hear(client, "echo", lambda seen: seen["reason"] is None, 30)

        agent.api.delete(f"/v1/acl/token/{accessor}")
        seen = hear(client, "echo", has_code("permission-denied"), 2 + WITHIN_S)
        assert seen["state"] == "running"
        assert "or was revoked" in seen["reason"]["text"]
        sentences.take("token-revoked", make_told(seen))


def make_told(seen: dict[str, Any]) -> Reason:
    """Return the reason in an answer of the API."""
    said = seen["reason"]
    return Reason(said["code"], said["text"], said["help"], tuple(said["log"]), said["exit_code"])
