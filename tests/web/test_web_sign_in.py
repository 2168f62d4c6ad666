"""Login and password for a token over the API: what it may, when it ends, what bounds guesses, what is told of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from serai.store import tokens
from serai.web.attempts import PER_LOGIN_AND_CLIENT, WINDOW
from tests.web.installation import API, Caller, Installation

PASSWORD = "a long walk home"
MAY = {"administrator": ["admin", "read", "write"], "member": ["read", "write"], "viewer": ["read"]}


@pytest.fixture
def admin(installation: Installation) -> Caller:
    made = installation.caller()
    for role in MAY:
        assert made.post("/users", {"login": role, "role": role, "password": PASSWORD}).status_code == 201
    return made


def ask(installation: Installation, login: str, password: str = PASSWORD, **more: Any) -> TestResponse:
    body = {"login": login, "password": password, **more}
    return installation.app.test_client().post(f"{API}/sign-in", json=body)


def caller_of(installation: Installation, token: str) -> Caller:
    return Caller(installation.app.test_client(), token)


@pytest.mark.parametrize("role", MAY)
def test_a_password_gives_a_token_of_the_roles_right_for_a_month(
    installation: Installation, admin: Caller, role: str
) -> None:
    made = ask(installation, f" {role.title()} ")
    assert made.status_code == 201 and made.json["login"] == role
    assert made.json["permissions"] == MAY[role]
    ends = installation.clock() + timedelta(days=30)
    assert made.json["expires_at"] == ends.isoformat().replace("+00:00", "Z")
    caller = caller_of(installation, made.json["token"])
    assert caller.get("/whoami").status_code == 200
    assert (caller.get("/users").status_code == 200) == (role == "administrator")
    assert PASSWORD not in made.text
    installation.clock.advance(30 * 86400)
    assert caller.get("/whoami").status_code == 401


def test_a_narrower_and_shorter_one_can_be_asked_for_and_no_wider(installation: Installation, admin: Caller) -> None:
    made = ask(installation, "member", name="a notebook", permissions=["read"], expires_in="5m")
    assert (made.json["name"], made.json["permissions"]) == ("a notebook", ["read"])
    caller = caller_of(installation, made.json["token"])
    assert caller.put("/deployments/m", {"image": "model:1"}).status_code == 403
    installation.clock.advance(301)
    assert caller.get("/whoami").status_code == 401
    for login, wide in (("viewer", "write"), ("member", "admin"), ("member", "gateway")):
        refused = ask(installation, login, permissions=[wide])
        assert refused.status_code == 403 and wide in refused.json["detail"]
    assert ask(installation, "member", expires_in="soon").status_code == 422


def test_it_never_does_more_than_the_account_may_at_the_moment(installation: Installation, admin: Caller) -> None:
    caller = caller_of(installation, ask(installation, "member").json["token"])
    assert caller.put("/deployments/m", {"image": "model:1"}).status_code == 201
    admin.patch("/users/member", {"role": "viewer"})
    assert caller.patch("/deployments/m", {"count": 2}).status_code == 403
    admin.patch("/users/member", {"disabled": True})
    assert caller.get("/whoami").status_code == 401
    admin.patch("/users/member", {"disabled": False})
    assert caller.get("/whoami").status_code == 401, "disabling ended it for good"


def test_a_new_password_ends_it_and_tokens_stay(installation: Installation, admin: Caller) -> None:
    caller = caller_of(installation, ask(installation, "member").json["token"])
    made = caller_of(installation, caller.post("/tokens", {"name": "ci", "permissions": ["read"]}).json["token"])
    admin.put("/users/member/password", {"password": "another one of ours"})
    assert [who.get("/whoami").status_code for who in (caller, made)] == [401, 200]


def test_a_wrong_password_a_strange_login_and_a_disabled_one_are_told_alike(
    installation: Installation, admin: Caller
) -> None:
    admin.patch("/users/viewer", {"disabled": True})
    answers = [
        ask(installation, login, password)
        for login, password in (("member", "wrong"), ("nobody", PASSWORD), ("viewer", PASSWORD), ("", ""))
    ]
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(401, "wrong-password")}
    assert len({answer.text for answer in answers}) == 1


def test_its_guesses_and_those_of_the_page_are_counted_together(installation: Installation, admin: Caller) -> None:
    client = installation.app.test_client()
    for number in range(PER_LOGIN_AND_CLIENT):
        if number % 2:
            assert ask(installation, "member", f"wrong {number}").status_code == 401
        else:
            form = {"login": "member", "password": f"wrong {number}"}
            assert client.post("/login", data=form).status_code == 401
    refused = ask(installation, "member")
    assert (refused.status_code, refused.json["code"]) == (429, "too-many-tries"), "the right one is not looked at"
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW.total_seconds()
    assert client.post("/login", data={"login": "member", "password": PASSWORD}).status_code == 429
    assert ask(installation, "viewer").status_code == 201
    told = [event for event in admin.get("/events").json if event["kind"] == "sign-in.refused"]
    assert len(told) == 1 and "member" in told[0]["text"] and told[0]["actor"] == ""
    installation.clock.advance(WINDOW.total_seconds() + 1)
    assert ask(installation, "member").status_code == 201


def test_the_timeline_and_the_list_have_it_and_it_can_be_revoked_by_itself(
    installation: Installation, admin: Caller
) -> None:
    made = ask(installation, "viewer", name="serai login on laptop").json
    event = admin.get("/events").json[0]
    assert (event["kind"], event["actor"]) == ("token.created", "viewer")
    assert "serai login on laptop" in event["text"] and made["token"] not in event["text"]
    caller = caller_of(installation, made["token"])
    assert [token["id"] for token in caller.get("/tokens").json] == [made["id"]]
    assert admin.get("/users/viewer").json["last_sign_in_at"] is not None
    assert caller.delete(f"/tokens/{made['id']}").status_code == 204
    assert caller.get("/whoami").status_code == 401


def test_logins_that_ended_are_swept_at_the_next_one(installation: Installation, admin: Caller) -> None:
    ask(installation, "viewer")
    installation.clock.advance(31 * 86400)
    ask(installation, "viewer")
    assert len(tokens.list_tokens(installation.core.db, "viewer")) == 1


def test_a_password_is_in_no_log(installation: Installation, admin: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    ask(installation, "viewer")
    ask(installation, "viewer", "hush-hush-hush")
    assert PASSWORD not in caplog.text and "hush-hush-hush" not in caplog.text
