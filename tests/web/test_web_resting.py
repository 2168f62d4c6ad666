"""`POST /deployments/{name}/idle` and `/wake`: what is answered, what happens, who may, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from serai.plugin.testing.fakes import Script
from tests.web.installation import Installation


def events(installation: Installation, kind: str) -> list[tuple[str, str, int | None]]:
    found = installation.caller().get("/deployments/m/events").json
    return [(line["actor"], line["text"], line["version"]) for line in found if line["kind"] == kind]


def test_a_deployment_rests_and_wakes(installation: Installation) -> None:
    installation.deploy(replicas=2)
    caller = installation.caller()
    idled = caller.post("/deployments/m/idle")
    assert idled.status_code == 202 and (idled.json["idle"], idled.json["count"], idled.json["active"]) == (True, 2, 1)
    installation.tick(4)
    resting = caller.get("/deployments/m").json
    assert (resting["state"], resting["reason"]["code"]) == ("running", "idle")
    assert (resting["ready"], resting["wanted"]) == (0, 0)
    woken = caller.post("/deployments/m/wake")
    assert woken.status_code == 202 and woken.json["idle"] is False
    installation.tick(4)
    assert (caller.get("/deployments/m").json["ready"], caller.get("/deployments/m").json["reason"]) == (2, None)
    assert events(installation, "deployment.idled") == [("ann", "", 1)]
    assert events(installation, "deployment.woken") == [("ann", "", 1)]


def test_the_same_again_changes_nothing(installation: Installation) -> None:
    installation.deploy()
    caller = installation.caller()
    assert caller.post("/deployments/m/wake").status_code == 202
    for _ in range(2):
        assert caller.post("/deployments/m/idle").status_code == 202
    assert len(events(installation, "deployment.idled")) == 1 and not events(installation, "deployment.woken")


def test_a_gateway_wakes_it_and_is_named(installation: Installation) -> None:
    installation.deploy()
    installation.caller().post("/deployments/m/idle")
    gateway = installation.caller("gateway")
    assert gateway.post("/routes/m/wake?gateway=g1").status_code == 204
    assert gateway.post("/routes/m/wake?gateway=g2").status_code == 204
    assert gateway.post("/routes/nowhere/wake").status_code == 404
    assert gateway.post("/deployments/m/wake").status_code == 403
    assert events(installation, "deployment.woken") == [("gate", "by a request at gateway g1", 1)]


@pytest.mark.parametrize("verb", ["idle", "wake"])
def test_who_may_not_write_is_refused(installation: Installation, verb: str) -> None:
    installation.deploy()
    assert installation.caller("reader").post(f"/deployments/m/{verb}").status_code == 403
    answer = installation.caller().post(f"/deployments/nowhere/{verb}")
    assert (answer.status_code, answer.json["code"]) == (404, "deployment-not-found")


def stop(installation: Installation) -> None:
    installation.deploy()
    installation.caller().post("/deployments/m/stop")
    installation.tick(4)


def scale_to_nothing(installation: Installation) -> None:
    installation.deploy()
    installation.caller().patch("/deployments/m", {"count": 0})
    installation.tick(4)


def never_get_ready(installation: Installation) -> None:
    installation.scheduler.script("m-v1", Script(ready_after=None))
    installation.deploy()


def hand_over(installation: Installation) -> None:
    installation.deploy()
    installation.scheduler.script("m-v2", Script(ready_after=None))
    installation.deploy(image="model:2")


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (stop, "not-running"),
        (scale_to_nothing, "no-replicas"),
        (never_get_ready, "not-ready"),
        (hand_over, "handing-over"),
    ],
)
def test_what_could_not_be_woken_does_not_rest(
    installation: Installation, prepare: Callable[[Installation], None], code: str
) -> None:
    prepare(installation)
    answer = installation.caller().post("/deployments/m/idle")
    assert (answer.status_code, answer.json["code"]) == (409, code)
    assert installation.caller().get("/deployments/m").json["idle"] is False
    assert not events(installation, "deployment.idled")


def test_another_count_wakes_and_stopping_ends_the_rest(installation: Installation) -> None:
    installation.deploy()
    caller = installation.caller()
    caller.post("/deployments/m/idle")
    installation.tick(4)
    assert caller.patch("/deployments/m", {"count": 2}).json["idle"] is False
    installation.tick(4)
    assert caller.get("/deployments/m").json["ready"] == 2
    caller.post("/deployments/m/idle")
    assert caller.post("/deployments/m/stop").status_code == 202
    installation.tick(4)
    assert caller.get("/deployments/m").json["state"] == "stopped"


def test_the_pages_buttons_do_the_same(installation: Installation) -> None:
    installation.deploy()
    client = installation.app.test_client()
    client.post("/login", data={"token": installation.tokens["admin"]})
    csrf = client.get("/").text.partition('name="csrf" content="')[2].partition('"')[0]
    assert client.post("/d/m/idle", data={"csrf": csrf}).location == "/d/m?note=idled"
    installation.tick(4)
    assert "/d/m/wake" in client.get("/d/m").text
    assert client.post("/d/m/wake", data={"csrf": csrf}).location == "/d/m?note=woken"
    installation.tick(4)
    assert installation.caller().get("/deployments/m").json["ready"] == 1
    client.post("/d/m/stop", data={"csrf": csrf})
    assert client.post("/d/m/idle", data={"csrf": csrf}).status_code == 409
