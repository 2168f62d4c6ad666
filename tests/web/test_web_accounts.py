"""Accounts, teams and owners over the API; signing in by password, and what bounds guesses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from serai.domain.accounts import Account, Role
from serai.domain.errors import TooManyTries
from serai.plugin.identity import Permission
from serai.store import accounts
from serai.store.tokens import create_token
from serai.web.attempts import PER_CLIENT, PER_LOGIN, PER_LOGIN_AND_CLIENT, WINDOW, Attempts
from tests.web.installation import Caller, Installation

PASSWORD = "a long walk home"


@pytest.fixture
def admin(installation: Installation) -> Caller:
    return installation.caller()


def sign_in(client: FlaskClient, login: str, password: str) -> int:
    return client.post("/login", data={"login": login, "password": password}).status_code


def caller_of(installation: Installation, login: str, *permissions: Permission) -> Caller:
    token = create_token(installation.core.db, "x", login, permissions, installation.clock())[1]
    return Caller(installation.app.test_client(), token)


def test_an_account_signs_in_with_its_password_and_no_other(installation: Installation, admin: Caller) -> None:
    made = admin.post("/users", {"login": "amy", "name": "Amy", "role": "member", "password": PASSWORD})
    assert (made.status_code, made.json["role"]) == (201, "member")
    assert PASSWORD not in made.text
    client = installation.app.test_client()
    assert sign_in(client, "amy", PASSWORD + "!") == 401
    assert client.get("/", follow_redirects=False).status_code == 302
    assert sign_in(client, " Amy ", PASSWORD) == 302
    assert client.get("/").status_code == 200
    assert admin.get("/users/amy").json["last_sign_in_at"] is not None


def test_a_wrong_password_and_no_such_login_are_told_alike(installation: Installation, admin: Caller) -> None:
    admin.post("/users", {"login": "amy", "password": PASSWORD})
    client = installation.app.test_client()
    pages = [client.post("/login", data={"login": login, "password": "wrong one"}) for login in ("amy", "bob")]
    assert {page.status_code for page in pages} == {401}
    assert pages[0].text.replace("amy", "bob") == pages[1].text


def test_a_disabled_account_is_out_at_once(installation: Installation, admin: Caller) -> None:
    admin.post("/users", {"login": "amy", "password": PASSWORD})
    client = installation.app.test_client()
    sign_in(client, "amy", PASSWORD)
    assert client.get("/").status_code == 200
    admin.patch("/users/amy", {"disabled": True})
    assert client.get("/").status_code == 302
    assert sign_in(client, "amy", PASSWORD) == 401


def test_a_new_password_ends_sign_ins(installation: Installation, admin: Caller) -> None:
    admin.post("/users", {"login": "amy", "password": PASSWORD})
    client = installation.app.test_client()
    sign_in(client, "amy", PASSWORD)
    assert admin.put("/users/amy/password", {"password": "another one of ours"}).status_code == 204
    assert client.get("/").status_code == 302
    assert sign_in(client, "amy", PASSWORD) == 401
    assert sign_in(client, "amy", "another one of ours") == 302


def test_guesses_are_bounded_and_told_once(installation: Installation, admin: Caller) -> None:
    admin.post("/users", {"login": "amy", "password": PASSWORD})
    client = installation.app.test_client()
    seen = [sign_in(client, "amy", f"wrong number {n}") for n in range(PER_LOGIN_AND_CLIENT + 3)]
    assert seen == [401] * PER_LOGIN_AND_CLIENT + [429] * 3
    refused = client.post("/login", data={"login": "amy", "password": PASSWORD})
    assert refused.status_code == 429, "the right one is not looked at either"
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW.total_seconds()
    told = [event for event in admin.get("/events").json if event["kind"] == "sign-in.refused"]
    assert len(told) == 1 and "amy" in told[0]["text"]
    installation.clock.advance(WINDOW.total_seconds() + 1)
    assert sign_in(client, "amy", PASSWORD) == 302


def test_the_three_bounds(installation: Installation) -> None:
    now = installation.clock()
    for bound, login, client in (
        (PER_LOGIN_AND_CLIENT, lambda n: "amy", lambda n: "1.1.1.1"),
        (PER_CLIENT, lambda n: f"user{n}", lambda n: "1.1.1.1"),
        (PER_LOGIN, lambda n: "amy", lambda n: f"10.0.{n // 250}.{n % 250}"),
    ):
        attempts = Attempts()
        for n in range(bound):
            attempts.check(login(n), client(n), now)
            assert attempts.note_failure(login(n), client(n), now) == (n == bound - 1)
        with pytest.raises(TooManyTries):
            attempts.check(login(bound), client(bound), now)
        attempts.check("carl", "9.9.9.9", now)
        attempts.check(login(bound), client(bound), now + WINDOW + timedelta(seconds=1))


def test_what_an_account_may_not_be(installation: Installation, admin: Caller) -> None:
    for body, status in (
        ({"login": "admin"}, 409),
        ({"login": "a b"}, 422),
        ({"login": "amy", "password": "short"}, 422),
        ({"login": "a-long-login", "password": "A-Long-Login"}, 422),
        ({"login": "amy", "role": "king"}, 422),
    ):
        assert admin.post("/users", body).status_code == status, body
    answer = admin.post("/users", {"login": "amy", "password": "tooshort!"})
    assert answer.status_code == 422 and "tooshort!" not in answer.text
    assert admin.get("/users").json == []
    assert admin.post("/users", {"login": "amy"}).status_code == 201
    assert admin.post("/users", {"login": "amy"}).status_code == 409


def test_only_administrators_make_accounts_and_teams(installation: Installation) -> None:
    writer = installation.caller("writer")
    for method, path in (
        ("POST", "/users"),
        ("PUT", "/users/amy/password"),
        ("PUT", "/teams/x"),
        ("DELETE", "/teams/x"),
    ):
        assert writer.send(method, path, {}).status_code == 403


def test_a_team_owns_a_deployment_together(installation: Installation, admin: Caller) -> None:
    for login in ("amy", "bob", "eve"):
        accounts.create_account(installation.core.db, Account(login, "", "", Role.MEMBER, installation.clock()), "root")
    assert admin.put("/teams/vision", {"about": "Eyes", "members": ["amy", "bob"]}).status_code == 201
    amy, bob, eve = (caller_of(installation, login, Permission.WRITE) for login in ("amy", "bob", "eve"))
    amy.put("/deployments/m", {"image": "model:1"})
    installation.tick(4)
    assert bob.patch("/deployments/m", {"count": 2}).status_code == 403
    assert bob.put("/deployments/m/owner", {"owner": "bob"}).status_code == 403
    given = amy.put("/deployments/m/owner", {"owner": "team:vision"})
    assert (given.status_code, given.json["owner"]) == (200, "team:vision")
    assert bob.patch("/deployments/m", {"count": 2}).status_code == 200
    assert eve.patch("/deployments/m", {"count": 3}).status_code == 403
    assert admin.put("/teams/vision", {"members": ["amy"]}).json["members"] == ["amy"]
    assert bob.patch("/deployments/m", {"count": 4}).status_code == 403
    assert admin.delete("/teams/vision").status_code == 409
    texts = [event["text"] for event in admin.get("/deployments/m/events").json]
    assert "owner: amy -> team:vision" in texts


def test_owners_and_members_have_to_exist(installation: Installation, admin: Caller) -> None:
    installation.deploy()
    for owner in ("nobody", "team:nobodies"):
        answer = admin.put("/deployments/m/owner", {"owner": owner})
        assert (answer.status_code, answer.json["field"]) == (422, "owner")
    assert admin.put("/deployments/none/owner", {"owner": "amy"}).status_code == 404
    answer = admin.put("/teams/vision", {"members": ["ghost"]})
    assert (answer.status_code, answer.json["field"]) == (422, "members")
    assert admin.get("/teams").json == []


def test_a_teams_key_is_its_members_and_opens_what_it_owns(installation: Installation, admin: Caller) -> None:
    for login in ("amy", "bob", "eve"):
        accounts.create_account(installation.core.db, Account(login, "", "", Role.MEMBER, installation.clock()), "root")
    admin.put("/teams/vision", {"members": ["amy", "bob"]})
    amy, bob, eve = (caller_of(installation, login, Permission.WRITE) for login in ("amy", "bob", "eve"))
    amy.put("/deployments/m", {"image": "model:1", "access": "keys"})
    installation.tick(4)
    made = amy.post("/keys", {"name": "shared", "owner": "team:vision"})
    assert made.status_code == 201
    assert eve.post("/keys", {"name": "mine", "owner": "team:vision"}).status_code == 403
    id = made.json["id"]
    assert [caller.get(f"/keys/{id}").status_code for caller in (amy, bob, eve)] == [200, 200, 404]

    def grants() -> int:
        route = installation.core.routes.route("m")
        assert route is not None
        return len(route.grants)

    assert grants() == 0
    amy.put("/deployments/m/owner", {"owner": "team:vision"})
    assert grants() == 1, "in effect at once"
    assert bob.delete(f"/keys/{id}").status_code == 204
    assert grants() == 0
