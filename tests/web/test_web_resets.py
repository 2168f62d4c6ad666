"""Addresses at which a password is set: over the API and on the page that they lead to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serai.domain.accounts import Account, Role
from serai.store.accounts import create_account
from serai.store.passwords import find_by_password
from serai.web.reset_address import find_url
from tests.web.installation import API, Caller, Installation

PASSWORD, OTHER = "a long walk home", "another one of ours"


@pytest.fixture
def admin(installation: Installation) -> Caller:
    made = installation.caller()
    made.post("/users", {"login": "amy", "password": PASSWORD})
    return made


def make(admin: Caller, login: str = "amy", **body: str) -> str:
    """Return a new address, as a path."""
    answer = admin.post(f"/users/{login}/reset", body)
    assert answer.status_code == 201, answer.text
    url = str(answer.json["url"])
    assert url.startswith("http://server.test/login/new-password?code=")
    return url.removeprefix("http://server.test")


def choose(client: FlaskClient, path: str, new: str = OTHER, again: str = "") -> TestResponse:
    code = path.partition("code=")[2]
    return client.post("/login/new-password", data={"code": code, "new": new, "again": again or new})


def test_an_address_sets_a_password_once(installation: Installation, admin: Caller) -> None:
    path, client = make(admin), installation.app.test_client()
    for _ in range(2):  # opening it uses nothing up: what reads mail opens all that it finds
        page = client.get(path)
        assert page.status_code == 200 and "amy" in page.text and "ann made this address" in page.text
    answer = choose(client, path)
    assert (answer.status_code, answer.location) == (303, "/login?note=password-chosen")
    assert "Your password is set" in client.get(answer.location).text
    assert find_by_password(installation.core.db, "amy", OTHER)
    assert not find_by_password(installation.core.db, "amy", PASSWORD)
    for again in (client.get(path), choose(client, path, "yet another one")):
        assert again.status_code == 401 and "used already" in again.text and 'id="new-password"' not in again.text
    assert find_by_password(installation.core.db, "amy", OTHER)


def test_the_old_password_goes_on_until_then_and_what_it_opened_ends(installation: Installation, admin: Caller) -> None:
    path, client = make(admin), installation.app.test_client()
    assert client.post("/login", data={"login": "amy", "password": PASSWORD}).status_code == 302
    login = client.post(f"{API}/sign-in", json={"login": "amy", "password": PASSWORD}).json["token"]
    caller = Caller(installation.app.test_client(), login)
    personal = Caller(client, caller.post("/tokens", {"name": "ci", "permissions": ["read"]}).json["token"])
    choose(installation.app.test_client(), path)
    assert client.get("/").status_code == 302 and caller.get("/whoami").status_code == 401
    assert personal.get("/whoami").status_code == 200


@pytest.mark.parametrize(
    ("new", "again", "sentence"),
    [("short", "", "too few"), ("", "", "too few"), (OTHER, "not the same", "are not the same")],
)
def test_a_password_that_cannot_be_uses_nothing_up(
    installation: Installation, admin: Caller, new: str, again: str, sentence: str
) -> None:
    path, client = make(admin), installation.app.test_client()
    answer = choose(client, path, new, again)
    assert answer.status_code == 422 and sentence in answer.text
    assert 'id="new-password"' in answer.text and f'value="{new or OTHER}"' not in answer.text
    assert choose(client, path).status_code == 303


def test_an_address_ends_and_is_void_after_another(installation: Installation, admin: Caller) -> None:
    client, first = installation.app.test_client(), make(admin)
    second = make(admin, expires_in="1h")
    assert client.get(first).status_code == 401 and client.get(second).status_code == 200
    installation.clock.advance(timedelta(hours=1).total_seconds())
    assert client.get(second).status_code == 401 and choose(client, second).status_code == 401
    assert client.get("/login/new-password").status_code == 401


def test_it_invites_who_has_no_password_yet(installation: Installation, admin: Caller) -> None:
    admin.post("/users", {"login": "bob", "role": "viewer"})
    assert admin.get("/users/bob").json["has_password"] is False
    assert choose(installation.app.test_client(), make(admin, "bob")).status_code == 303
    assert admin.get("/users/bob").json["has_password"] is True
    client = installation.app.test_client()
    assert client.post("/login", data={"login": "bob", "password": OTHER}).status_code == 302


def test_only_administrators_make_them_and_not_for_everybody(installation: Installation, admin: Caller) -> None:
    assert installation.caller("writer").post("/users/amy/reset", {}).status_code == 403
    assert admin.post("/users/nobody/reset", {}).status_code == 404
    assert admin.post("/users/amy/reset", {"expires_in": "31d"}).status_code == 422
    admin.patch("/users/amy", {"disabled": True})
    assert admin.post("/users/amy/reset", {}).json["code"] == "account-disabled"
    elsewhere = Account("zoe", "", "", Role.MEMBER, installation.clock(), provider="oidc")
    create_account(installation.core.db, elsewhere, "root")
    answer = admin.post("/users/zoe/reset", {})
    assert (answer.status_code, answer.json["code"]) == (409, "account-provided")


def test_who_made_one_and_who_used_it_stands_in_the_timeline(installation: Installation, admin: Caller) -> None:
    path = make(admin)
    choose(installation.app.test_client(), path)
    said = [(event["kind"], event["actor"]) for event in admin.get("/events").json]
    assert said[:2] == [("account.changed", "amy"), ("account.reset", "ann")]
    assert path.partition("code=")[2] not in admin.get("/events").text


def test_a_form_of_another_site_sets_nothing(installation: Installation, admin: Caller) -> None:
    code = make(admin).partition("code=")[2]
    answer = installation.app.test_client().post(
        "/login/new-password",
        data={"code": code, "new": OTHER, "again": OTHER},
        headers={"Origin": "http://evil.example"},
    )
    assert answer.status_code == 403 and not find_by_password(installation.core.db, "amy", OTHER)


@pytest.mark.parametrize(
    ("server_url", "expected"),
    [
        ("http://127.0.0.1:8080", "https://serai.example.org"),
        ("http://[::1]:8080", "https://serai.example.org"),
        ("http://localhost:8080", "https://serai.example.org"),
        ("https://serai.internal", "https://serai.internal"),
    ],
)
def test_a_server_that_knows_itself_by_a_local_address_alone_is_named_as_it_was_asked(
    server_url: str, expected: str
) -> None:
    assert find_url(server_url, "https://serai.example.org/") == expected
