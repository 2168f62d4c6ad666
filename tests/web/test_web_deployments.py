"""Deployments and versions over the API: deploy, read, change, start, stop, delete, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from serai.plugin.testing.fakes import Script
from tests.web.installation import Installation, make_bundle


def test_a_deployment_from_nothing_to_running(installation: Installation) -> None:
    caller = installation.caller("writer")
    digest, packed = make_bundle(**{"start.sh": "echo"})
    assert caller.put("/deployments/m", {"bundle": digest}).json["code"] == "bundle-missing"
    assert caller.put(f"/bundles/{digest}", packed).status_code == 201
    made = caller.put("/deployments/m", {"name": "m", "bundle": digest, "replicas": 2})
    assert made.status_code == 201
    assert (made.json["state"], made.json["active"], made.json["count"]) == ("preparing", 1, 2)
    installation.tick(4)
    found = caller.get("/deployments/m").json
    assert (found["state"], found["reason"], found["ready"], found["wanted"]) == ("running", None, 2, 2)
    assert found["url"] == "http://gateway.test/m/"
    assert found["owner"] == "will"
    assert [replica["ready"] for replica in found["versions"][0]["replicas"]] == [True, True]


def test_the_same_again_makes_no_version_and_another_spec_does(installation: Installation) -> None:
    installation.deploy(image="model:1")
    caller = installation.caller()
    body: dict[str, Any] = {"image": "model:1", "drain_timeout": "1s"}
    again = caller.put("/deployments/m", body)
    assert (again.status_code, again.json["active"]) == (200, 1)
    other = caller.put("/deployments/m", body | {"image": "model:2"})
    assert (other.status_code, other.json["active"], other.json["incumbent"]) == (201, 2, 1)
    assert [version["number"] for version in caller.get("/deployments/m/versions").json] == [2, 1]


def test_a_dry_run_tells_the_fit_and_changes_nothing(installation: Installation) -> None:
    answer = installation.caller().put("/deployments/m?dry_run=1", {"image": "model:1"})
    assert answer.json == {"verdict": "now", "placeable": 1, "reason": None, "nodes": ["fake"]}
    assert installation.caller().get("/deployments").json == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "bundle"),
        ({"image": "a", "name": "other"}, "name"),
        ({"image": "a", "replicas": -1}, "replicas"),
        ({"image": "a", "resources": {"gpu": {"count": "many"}}}, "resources.gpu.count"),
        ({"image": "a", "env": {"PORT": "1"}}, "env.PORT"),
        ({"image": "a", "secrets": {"TOKEN": "{{ ask }}"}}, "secrets.TOKEN"),
    ],
)
def test_a_bad_manifest_names_the_field(installation: Installation, body: dict[str, Any], field: str) -> None:
    answer = installation.caller().put("/deployments/m", body)
    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_secrets_are_never_shown_again(installation: Installation) -> None:
    installation.deploy(secrets={"HF_TOKEN": "hunter2hunter2"})
    for path in ("/deployments", "/deployments/m", "/deployments/m/versions/1", "/events"):
        assert "hunter2" not in installation.caller().get(path).text
    assert installation.caller().get("/deployments/m/versions/1").json["spec"]["secrets"] == ["HF_TOKEN"]


def test_settings_change_without_a_version(installation: Installation) -> None:
    installation.deploy()
    changed = installation.caller().patch(
        "/deployments/m", {"count": 3, "handover": "rolling", "timeouts": {"total": "1m"}, "scaling": {"max": 4}}
    )
    assert changed.status_code == 200
    assert (changed.json["count"], changed.json["handover"]) == (3, "rolling")
    assert changed.json["timeouts"] == {"connect": 1.0, "first_byte": 60.0, "idle": 60.0, "total": 60.0}
    assert changed.json["active"] == 1
    installation.tick(3)
    assert installation.caller().get("/deployments/m").json["ready"] == 3


def test_stop_start_and_delete(installation: Installation) -> None:
    installation.deploy()
    caller = installation.caller()
    for path in ("/deployments/m", "/deployments/m/versions/1"):
        refused = caller.delete(path)
        assert (refused.status_code, refused.json["code"]) == (409, "version-active")
    stopped = caller.post("/deployments/m/versions/1/stop")
    assert (stopped.status_code, stopped.json["state"]) == (202, "shutting_down")
    installation.tick(10)
    assert caller.get("/deployments/m").json["state"] == "stopped"
    assert caller.post("/deployments/m/versions/1/start").json["state"] == "preparing"
    installation.tick(4)
    assert caller.get("/deployments/m").json["state"] == "running"
    assert caller.post("/deployments/m/stop").status_code == 202
    installation.tick(10)
    assert caller.delete("/deployments/m/versions/1").status_code == 204
    assert caller.get("/deployments/m/versions").json == []
    assert caller.get("/deployments/m").json["state"] == "stopped"
    assert caller.delete("/deployments/m").status_code == 204
    assert caller.get("/deployments/m").json["code"] == "deployment-not-found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/deployments/none"),
        ("PATCH", "/deployments/none"),
        ("DELETE", "/deployments/none"),
        ("POST", "/deployments/none/stop"),
        ("GET", "/deployments/none/versions"),
        ("GET", "/deployments/m/versions/9"),
        ("POST", "/deployments/m/versions/9/start"),
        ("POST", "/deployments/m/versions/9/stop"),
        ("DELETE", "/deployments/m/versions/9"),
        ("GET", "/deployments/m/versions/9/logs"),
        ("GET", "/deployments/none/metrics/requests"),
    ],
)
def test_what_is_not_there_is_404(installation: Installation, method: str, path: str) -> None:
    installation.deploy()
    answer = installation.caller().send(method, path, {} if method == "PATCH" else None)
    assert answer.status_code == 404
    assert answer.json["code"] in {"deployment-not-found", "version-not-found"}


def test_lists_come_in_pages(installation: Installation) -> None:
    for name in ("c", "a", "b"):
        installation.deploy(name)
    caller = installation.caller()
    first = caller.get("/deployments?limit=2")
    assert [deployment["name"] for deployment in first.json] == ["a", "b"]
    link = first.headers["Link"]
    assert link == '</api/v1/deployments?limit=2&after=b>; rel="next"'
    last = caller.get("/deployments?limit=2&after=b")
    assert [deployment["name"] for deployment in last.json] == ["c"]
    assert "Link" not in last.headers


def test_a_version_that_never_gets_ready_says_why(installation: Installation) -> None:
    installation.scheduler.script("m-v1", Script(ready_after=None))
    caller = installation.caller()
    caller.put("/deployments/m", {"image": "model:1", "start_timeout": "30s"})
    installation.tick(3)
    waiting = caller.get("/deployments/m/versions/1").json
    assert (waiting["state"], waiting["reason"]["code"]) == ("preparing", "loading")
    installation.tick(3, seconds=20)
    failed = caller.get("/deployments/m").json
    assert (failed["state"], failed["reason"]["code"], failed["active"]) == ("error", "never-listened", None)
    assert "30s" in failed["reason"]["text"]


def test_events_tell_who_did_what(installation: Installation) -> None:
    installation.deploy()
    installation.caller("writer").patch("/deployments/m", {"count": 2})
    events = installation.caller("reader").get("/deployments/m/events").json
    assert events[0]["kind"] == "deployment.scaled"
    assert events[0]["actor"] == "will"
    assert [event["id"] for event in events] == sorted((event["id"] for event in events), reverse=True)
    newer = installation.caller().get(f"/events?after={events[1]['id']}&limit=1").json
    assert [event["id"] for event in newer] == [events[0]["id"]]


def test_the_small_ones(installation: Installation) -> None:
    caller = installation.caller()
    assert caller.get("/capacity").json["nodes"][0]["name"] == "fake"
    assert {plugin["name"] for plugin in caller.get("/plugins").json} == {"tokens", "fake", "apikey"}
    health = installation.app.test_client().get("/healthz").json
    assert (health["status"], health["scheduler"]) == ("ok", "fresh")
